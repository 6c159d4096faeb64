//! The way through a login, and what is refused on it.

use super::*;

const NOW: u64 = 1_786_012_200;
const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters-long";

fn access() -> SimulatedAccess {
    let application = Application {
        client_id: "client-1".into(),
        client_secret: "secret one".into(),
        redirect_uri: "http://127.0.0.1:1/callback".into(),
    };
    SimulatedAccess::new("http://127.0.0.1:2".into(), application).unwrap()
}

fn query() -> String {
    format!(
        "response_type=code&client_id=client-1&redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2Fcallback&scope=openid+email\
         &state=s1&nonce=n1&code_challenge={}&code_challenge_method=S256",
        keys::digest(VERIFIER)
    )
}

fn ask(access: &SimulatedAccess, method: &str, path: &str, query: &str, cookie: Option<&str>, body: &str) -> Answer {
    let path = format!("{OIDC}client-1{path}");
    let received = Received { method, path: &path, query, authorization: None, cookie, body: body.as_bytes() };
    access.answer(&received, NOW)
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str()).unwrap_or_default()
}

fn code(answer: &Answer) -> String {
    let location = header(answer, "location");
    let query = location.split_once('?').unwrap().1;
    authorization::fields(query.as_bytes()).remove("code").unwrap()
}

fn exchange(access: &SimulatedAccess, code: &str, verifier: &str) -> Answer {
    let body = format!(
        "grant_type=authorization_code&code={code}&redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2Fcallback\
         &code_verifier={verifier}&client_id=client-1&client_secret=secret+one"
    );
    ask(access, "POST", "/token", "", None, &body)
}

#[test]
fn a_login_ends_in_an_id_token_with_its_nonce_once() {
    let access = access();
    assert_eq!(ask(&access, "GET", "/authorization", &query(), None, "").status, 200);
    let back = ask(&access, "POST", "/authorization", &query(), None, "email=ada%40example.com&decision=login");
    assert_eq!(back.status, 303);
    let code = code(&back);
    let answer = exchange(&access, &code, VERIFIER);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let answer: Value = serde_json::from_str(&answer.body).unwrap();
    let id_token = answer.get("id_token").and_then(Value::as_str).unwrap();
    assert_eq!(id_token.split('.').count(), 3);
    assert_eq!(exchange(&access, &code, VERIFIER).status, 400, "a code is used once");
}

#[test]
fn a_session_asks_nobody_until_it_is_signed_out() {
    let access = access();
    let back = ask(&access, "POST", "/authorization", &query(), None, "email=ada%40example.com&decision=login");
    let cookie = header(&back, "set-cookie").split(';').next().unwrap().to_owned();
    assert_eq!(ask(&access, "GET", "/authorization", &query(), Some(&cookie), "").status, 303);
    let logout = Received {
        method: "GET",
        path: "/cdn-cgi/access/logout",
        query: "",
        authorization: None,
        cookie: Some(&cookie),
        body: b"",
    };
    assert_eq!(access.answer(&logout, NOW).status, 200);
    assert_eq!(ask(&access, "GET", "/authorization", &query(), Some(&cookie), "").status, 200);
}

#[test]
fn who_cancels_is_sent_back_with_an_error() {
    let back = ask(&access(), "POST", "/authorization", &query(), None, "decision=cancel");
    assert_eq!(header(&back, "location"), "http://127.0.0.1:1/callback?error=access_denied&state=s1");
}

#[test]
fn a_request_for_another_client_or_address_goes_nowhere() {
    let access = access();
    for (part, other) in [
        ("client-1", "client-2"),
        ("callback", "elsewhere"),
        ("S256", "plain"),
        ("state=s1", "state="),
        ("nonce=n1", "nonce="),
        ("openid", "profile"),
    ] {
        let answer = ask(&access, "GET", "/authorization", &query().replace(part, other), None, "");
        assert_eq!((answer.status, header(&answer, "location")), (400, ""), "{other}");
    }
}

#[test]
fn the_wrong_verifier_gets_nothing() {
    let access = access();
    let back = ask(&access, "POST", "/authorization", &query(), None, "email=ada%40example.com&decision=login");
    assert_eq!(exchange(&access, &code(&back), "another").status, 400);
}
