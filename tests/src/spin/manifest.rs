//! `spin.toml`, as far as one component with one dependency needs it: variables, templates, and what is inherited.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::allowed_host::AllowedHost;

/// The file.
#[derive(Debug, Clone, Deserialize)]
pub struct Manifest {
    variables: BTreeMap<String, Variable>,
    component: BTreeMap<String, Component>,
}

/// One variable of the application.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Variable {
    default: Option<String>,
    #[serde(default)]
    required: bool,
    #[serde(default)]
    secret: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Component {
    source: String,
    #[serde(default)]
    allowed_outbound_hosts: Vec<String>,
    #[serde(default)]
    sqlite_databases: Vec<String>,
    #[serde(default)]
    variables: BTreeMap<String, String>,
    #[serde(default)]
    dependencies: BTreeMap<String, Dependency>,
    build: Build,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Dependency {
    path: String,
    #[serde(default)]
    inherit_configuration: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Build {
    command: Vec<String>,
}

/// What the file comes to with given values of its variables, for the one component and its dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// The variables that the component sees.
    pub variables: BTreeMap<String, String>,
    /// Where it may connect to.
    pub allowed_hosts: Vec<AllowedHost>,
    /// Which SQLite databases it may open.
    pub databases: Vec<String>,
    /// What the dependency inherits of these.
    pub inherited: Vec<String>,
}

impl Manifest {
    /// Reads the file.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        toml::from_str(&text).map_err(|error| error.to_string())
    }

    /// The application with values for its variables. A variable that is required and has none, one that the file does
    /// not know, and an entry of `allowed_outbound_hosts` that is none are errors, as at `spin up`.
    pub fn application(&self, given: &BTreeMap<String, String>) -> Result<Application, String> {
        if let Some(name) = given.keys().find(|name| !self.variables.contains_key(*name)) {
            return Err(format!("spin.toml has no variable {name}"));
        }
        let component = self.component()?;
        let resolve = |template: &String| self.resolve(template, given);
        let mut variables = BTreeMap::new();
        for (name, template) in &component.variables {
            variables.insert(name.clone(), resolve(template)?);
        }
        let mut allowed_hosts = Vec::new();
        for template in &component.allowed_outbound_hosts {
            allowed_hosts.push(AllowedHost::parse(&resolve(template)?)?);
        }
        let inherited = self.dependency()?.inherit_configuration.clone();
        Ok(Application { variables, allowed_hosts, databases: component.sqlite_databases.clone(), inherited })
    }

    /// The names of the variables that are secret.
    pub fn secrets(&self) -> Vec<&str> {
        self.variables.iter().filter(|(_, variable)| variable.secret).map(|(name, _)| name.as_str()).collect()
    }

    /// The names of all variables.
    pub fn names(&self) -> Vec<&str> {
        self.variables.keys().map(String::as_str).collect()
    }

    /// The wasm files of the component and of its dependency, relative to the file.
    pub fn wasm_files(&self) -> Result<[&str; 2], String> {
        Ok([&self.component()?.source, &self.dependency()?.path])
    }

    /// The commands that build them, one after the other.
    pub fn build_commands(&self) -> Result<&[String], String> {
        Ok(&self.component()?.build.command)
    }

    fn component(&self) -> Result<&Component, String> {
        self.component.get("plausible-mcp").ok_or_else(|| "there is no component plausible-mcp".to_owned())
    }

    fn dependency(&self) -> Result<&Dependency, String> {
        let dependencies = &self.component()?.dependencies;
        dependencies.get("plausible-mcp:host").ok_or_else(|| "plausible-mcp:host is no dependency".to_owned())
    }

    /// Literal text with `{{ name }}` in it.
    fn resolve(&self, template: &str, given: &BTreeMap<String, String>) -> Result<String, String> {
        let mut text = String::new();
        let mut rest = template;
        while let Some((literal, expression)) = rest.split_once("{{") {
            let Some((name, after)) = expression.split_once("}}") else {
                return Err(format!("{template:?} has unmatched braces"));
            };
            text.push_str(literal);
            text.push_str(&self.value(name.trim(), given)?);
            rest = after;
        }
        Ok(text + rest)
    }

    fn value(&self, name: &str, given: &BTreeMap<String, String>) -> Result<String, String> {
        let variable = self.variables.get(name).ok_or_else(|| format!("there is no variable {name}"))?;
        if variable.required == variable.default.is_some() {
            return Err(format!("the variable {name} must be required or have a default"));
        }
        let value = given.get(name).or(variable.default.as_ref()).cloned();
        value.ok_or_else(|| format!("no provider resolved required variable(s): {name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
        [variables]
        host = { default = "https://a.example" }
        key = { required = true, secret = true }
        [component.plausible-mcp]
        source = "a.wasm"
        allowed_outbound_hosts = ["{{ host }}", "http://x-{{ key }}.example"]
        variables = { key = "<{{ key }}>" }
        build = { command = ["cargo build"] }
        dependencies = { "plausible-mcp:host" = { path = "b.wasm", inherit_configuration = ["variables"] } }
    "#;

    fn given(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn templates_are_filled_and_only_listed_variables_are_seen() {
        let manifest: Manifest = toml::from_str(FILE).expect("a manifest");
        let application = manifest.application(&given(&[("key", "k")])).expect("an application");
        assert_eq!(application.variables, given(&[("key", "<k>")]));
        assert!(application.allowed_hosts.iter().any(|host| host.allows("http", "x-k.example", None)));
        assert_eq!(application.inherited, ["variables"]);
        assert_eq!(manifest.secrets(), ["key"]);
    }

    #[test]
    fn what_spin_would_not_start_is_refused() {
        let manifest: Manifest = toml::from_str(FILE).expect("a manifest");
        let refused = |pairs: &[(&str, &str)], part: &str| {
            let error = manifest.application(&given(pairs)).expect_err("an error");
            assert!(error.contains(part), "{error}");
        };
        refused(&[], "required variable(s): key");
        refused(&[("key", "k"), ("host", "")], "no scheme");
        refused(&[("key", "k"), ("other", "x")], "no variable other");
    }
}
