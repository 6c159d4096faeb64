//! A browser without a screen: cookies, redirects, and the one form of a page.

use std::collections::BTreeMap;

use crate::http_client::{Answer, Request};
use crate::origin::Origin;

/// A browser. It follows redirects as long as they lead to this machine.
#[derive(Debug, Default)]
pub struct Browser {
    /// Redirects to URLs that begin so are not followed.
    stops_before: Option<String>,
    cookies: BTreeMap<String, BTreeMap<String, String>>,
    history: Vec<String>,
    seen: Vec<Page>,
}

/// Where the browser came to rest.
#[derive(Debug, Clone)]
pub struct Page {
    /// The address; that of a redirect which was not followed is the place to which it leads.
    pub url: String,
    /// The last answer.
    pub answer: Answer,
}

/// A form as it would be sent.
#[derive(Debug, Clone)]
pub struct Form {
    /// Where to.
    pub action: String,
    /// Names and values.
    pub fields: Vec<(String, String)>,
}

impl Browser {
    /// A browser that does not follow redirects to URLs that begin with `prefix`.
    pub fn stopping_before(prefix: &str) -> Self {
        Browser { stops_before: Some(prefix.to_owned()), ..Browser::default() }
    }

    /// Opens an address and follows where it leads.
    pub async fn visit(&mut self, url: &str) -> Page {
        self.request("GET", url, None).await
    }

    /// Sends a form as a page with `Referrer-Policy: no-referrer` does, and follows where it leads.
    pub async fn submit(&mut self, form: &Form) -> Page {
        self.request("POST", &form.action, Some(encode(&form.fields))).await
    }

    /// Every address that was opened, in order.
    pub fn history(&self) -> &[String] {
        &self.history
    }

    /// Every answer that was received, redirects included, in order.
    pub fn seen(&self) -> &[Page] {
        &self.seen
    }

    /// The values of all cookies that the browser now has.
    pub fn cookie_values(&self) -> Vec<String> {
        self.cookies.values().flat_map(BTreeMap::values).cloned().collect()
    }

    async fn request(&mut self, method: &str, url: &str, form: Option<String>) -> Page {
        let mut page = self.exchange(method, url, form).await;
        for _ in 0..MAX_REDIRECTS {
            let Some(location) = page.answer.header("location").map(|location| absolute(&page.url, location)) else {
                return page;
            };
            page.url = location;
            let stops = self.stops_before.as_ref().is_some_and(|prefix| page.url.starts_with(prefix));
            if stops || !self.may_follow(&page.url) {
                return page;
            }
            assert_eq!(page.answer.status, 303, "a redirect after a form must be followed with GET");
            page = self.exchange("GET", &page.url.clone(), None).await;
        }
        panic!("more than {MAX_REDIRECTS} redirects");
    }

    /// To this machine, and to where it began.
    fn may_follow(&self, url: &str) -> bool {
        let began = self.history.first().and_then(|first| Origin::of(first));
        Origin::of(url).is_some_and(|origin| origin.is_loopback() || Some(origin) == began)
    }

    /// What the browser would send to open an address.
    pub fn opening(&self, url: &str) -> Request {
        self.prepared("GET", url, None)
    }

    /// What it would send for a form.
    pub fn submitting(&self, form: &Form) -> Request {
        self.prepared("POST", &form.action, Some(encode(&form.fields)))
    }

    fn prepared(&self, method: &str, url: &str, form: Option<String>) -> Request {
        let (authority, path) = split(url);
        let mut request = Request::new(method, path).header("Host", authority).header("Accept", "text/html");
        if let Some(cookies) = self.cookies.get(authority).filter(|cookies| !cookies.is_empty()) {
            let pairs: Vec<_> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header("Cookie", &pairs.join("; "));
        }
        if let Some(form) = form {
            request = request.header("Content-Type", "application/x-www-form-urlencoded").body(form);
            request = request.header("Origin", "null").header("Sec-Fetch-Site", "same-origin");
        }
        request
    }

    async fn exchange(&mut self, method: &str, url: &str, form: Option<String>) -> Page {
        self.history.push(url.to_owned());
        let (authority, _) = split(url);
        let request = self.prepared(method, url, form);
        let answer = Origin::of(url).expect("an http URL").send(&request).await.expect("the server is reached");
        let page = Page { url: url.to_owned(), answer: answer.expect("the server answers") };
        self.keep_cookies(authority, &page.answer);
        self.seen.push(page.clone());
        page
    }

    fn keep_cookies(&mut self, authority: &str, answer: &Answer) {
        let jar = self.cookies.entry(authority.to_owned()).or_default();
        let lines = answer.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
        for (_, line) in lines {
            let mut parts = line.split(';').map(str::trim);
            let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).expect("a cookie has a name");
            if parts.any(|attribute| attribute.eq_ignore_ascii_case("max-age=0")) {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

impl Page {
    /// The one form, with its hidden fields.
    pub fn form(&self) -> Form {
        let html = self.answer.text();
        assert_eq!(html.matches("<form").count(), 1, "the page at {} has one form: {html}", self.url);
        let form = between(&html, "<form", "</form>").expect("the form ends");
        let action = attribute(form, "action").expect("the form says where it goes");
        let inputs = form.split("<input").skip(1).filter_map(|input| input.split('>').next());
        let hidden = inputs.filter(|input| attribute(input, "type").as_deref() == Some("hidden"));
        let pair = |input| Some((attribute(input, "name")?, attribute(input, "value")?));
        Form { action: absolute(&self.url, &action), fields: hidden.filter_map(pair).collect() }
    }

    /// The target of the first link whose address contains `part`.
    pub fn link(&self, part: &str) -> Option<String> {
        let html = self.answer.text();
        let mut links = html.split("<a ").skip(1).filter_map(|link| attribute(link.split('>').next()?, "href"));
        links.find(|link| link.contains(part))
    }

    /// A parameter in the query of the address.
    pub fn parameter(&self, name: &str) -> Option<String> {
        parameter(&self.url, name)
    }
}

impl Form {
    /// Adds a field, such as the pressed button.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// Fields as the body of a form or as a query.
pub(super) fn encode<N: AsRef<str>, V: AsRef<str>>(fields: &[(N, V)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields.iter().map(|(n, v)| (n, v))).finish()
}

/// A parameter in the query of an address.
pub(super) fn parameter(url: &str, name: &str) -> Option<String> {
    let (_, query) = url.split_once('?')?;
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

/// Host and port, and what follows them.
fn split(url: &str) -> (&str, &str) {
    let (_, rest) = url.split_once("://").expect("an absolute URL");
    rest.find('/').map_or((rest, "/"), |index| rest.split_at(index))
}

fn absolute(base: &str, reference: &str) -> String {
    if !reference.starts_with('/') {
        return reference.to_owned();
    }
    format!("{}{reference}", Origin::of(base).expect("an absolute URL"))
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let value = between(tag, &format!("{name}=\""), "\"")?;
    let plain = value.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'");
    Some(plain.replace("&amp;", "&"))
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    rest.split_once(end).map(|(inside, _)| inside)
}

/// More than any honest way through a sign-in.
const MAX_REDIRECTS: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_with_its_hidden_fields() {
        let html = r#"<form method="post" action="/a?x=1&amp;y=2"><input type="hidden" name="n" value="&quot;v">
            <input name="typed"><button name="decision" value="approve">Go</button></form>"#;
        let answer = Answer { status: 200, headers: Vec::new(), body: html.as_bytes().to_vec() };
        let form = Page { url: "http://127.0.0.1:1/b".to_owned(), answer }.form();
        assert_eq!(form.action, "http://127.0.0.1:1/a?x=1&y=2");
        assert_eq!(form.fields, [("n".to_owned(), "\"v".to_owned())]);
    }
}
