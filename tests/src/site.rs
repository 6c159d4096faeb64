//! A deployment as its clients see it: an origin, and the credentials that a check may use.

use serde_json::{Value, json};

use crate::http_client::{Answer, Request};
use crate::mcp_request::{call, modern};
use crate::origin::Origin;
use crate::sign_in::{Browser, Client, Page, Tokens};

/// What is known about a deployment. Scenarios need nothing else, whatever the host is.
#[derive(Debug, Clone)]
pub struct Site {
    /// Where it is: `PUBLIC_URL`.
    pub origin: Origin,
    /// A key that Plausible accepts, for `/mcp`.
    pub plausible_key: Option<String>,
    /// The site to ask about; `None`: the deployment's default.
    pub site_id: Option<String>,
    /// An address that may sign in, where Access is the simulated one: its login page asks for nothing but this.
    pub email: Option<String>,
    /// `ADMIN_TOKEN`.
    pub admin_token: Option<String>,
}

impl Site {
    /// A deployment without any credential.
    pub fn at(origin: impl Into<Origin>) -> Self {
        Site { origin: origin.into(), plausible_key: None, site_id: None, email: None, admin_token: None }
    }

    /// Whether it has an authorization server of its own.
    pub async fn signs_in(&self) -> bool {
        self.get("/.well-known/oauth-authorization-server").await.status == 200
    }

    /// Sends a request.
    pub async fn send(&self, request: Request) -> Answer {
        let answer = self.origin.send(&request).await;
        answer.expect("the deployment is reached").expect("the deployment answers")
    }

    /// Opens `path` as a program does: no redirect is followed.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Request::new("GET", path)).await
    }

    /// A call of a tool at `/mcp` with the key.
    pub async fn call(&self, tool: &str, arguments: Value) -> Answer {
        let key = self.plausible_key.as_deref().expect("the scenario needs a key");
        self.send(call(tool, self.about_the_site(arguments)).bearer(key)).await
    }

    /// A call of a tool at `/internal` with a token.
    pub async fn call_internal(&self, token: &str, tool: &str, arguments: Value) -> Answer {
        self.send(call(tool, self.about_the_site(arguments)).path("/internal").bearer(token)).await
    }

    /// The list of tools at `/internal` with a token.
    pub async fn list_tools(&self, token: &str) -> Answer {
        self.send(modern("tools/list", json!({})).path("/internal").bearer(token)).await
    }

    /// A public client.
    pub async fn client(&self) -> Client {
        Client::register(self.origin.clone(), "none").await
    }

    /// The whole way of a user, up to the redirect to the client.
    pub async fn sign_in(&self, client: &Client) -> Page {
        let email = self.email.as_deref().expect("the scenario needs a simulated Access");
        let mut browser = Browser::default();
        let consent = browser.visit(&client.authorization_url(STATE)).await;
        assert_eq!(consent.answer.status, 200, "{}", consent.answer.text());
        let login = browser.submit(&consent.form().with("decision", "approve")).await;
        let back = browser.submit(&login.form().with("email", email)).await;
        assert_eq!(back.parameter("state").as_deref(), Some(STATE), "at {}: {}", back.url, back.answer.text());
        assert_eq!(back.parameter("iss"), Some(self.origin.to_string()));
        back
    }

    /// A code for a client.
    pub async fn code(&self, client: &Client) -> String {
        self.sign_in(client).await.parameter("code").expect("a code")
    }

    /// Tokens for a client.
    pub async fn tokens(&self, client: &Client) -> Tokens {
        Tokens::of(&client.redeem(&self.code(client).await).await)
    }

    fn about_the_site(&self, mut arguments: Value) -> Value {
        if let (Some(members), Some(site)) = (arguments.as_object_mut(), &self.site_id) {
            members.insert("site_id".to_owned(), json!(site));
        }
        arguments
    }
}

const STATE: &str = "state-of-the-client";
