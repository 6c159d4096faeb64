//! Queries of `GET /authorize` and `GET /callback`.

use super::super::message::{JSON, Sent, header};
use super::super::world::{DOCUMENT, REDIRECT_URI, World};

/// Before anybody has decided, a browser is sent on to a program on its own machine only; after a login, to the client
/// that asked.
pub fn authorize(data: &[u8]) {
    let world = World::with_people();
    world.tell(DOCUMENT, 200, JSON, METADATA.as_bytes());
    let query = String::from_utf8_lossy(&world.filled(data)).into_owned();

    // The document of another client cannot be fetched.
    let response = world.send_or(&Sent::new("GET", &format!("/authorize?{query}")), &[503]);
    if response.status == 303 {
        let location = header(&response, "location").expect("a redirect leads somewhere");
        assert!(location.starts_with("http://127.0.0.1") && location.contains("error="), "{location}");
    }

    let callback = Sent::new("GET", &format!("/callback?{query}"));
    let response = world.send(&callback.header("cookie", world.value("upstream-cookie")));
    if response.status == 303 {
        let location = header(&response, "location").expect("a redirect leads somewhere");
        assert!(location.starts_with(&format!("{REDIRECT_URI}?")), "{location}");
    }
}

/// A client that is on the user's machine, in an app and on the web.
const METADATA: &str = r#"{"client_id":"https://client.example/metadata.json","client_name":"Client","redirect_uris":["http://127.0.0.1/cb","com.example.app:/cb","https://client.example/cb?a=b"]}"#;
