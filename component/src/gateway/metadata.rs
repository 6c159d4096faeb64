//! What clients discover: the protected resources (RFC 9728) and the authorization server (RFC 8414).
//!
//! Everything comes from the settings, nothing from the request: a `Host` header poisons no metadata.

use serde_json::{Map, Value, json};

use super::client_documents;
use super::response::{Refusal, Response};
use super::route::Route;
use super::{Request, Served};
use crate::config::AuthorizationServer;
use crate::oauth::scope::SCOPE;
use crate::ports::Ports;

/// Serves a metadata document.
pub async fn serve<P: Ports>(
    ports: &P,
    server: &AuthorizationServer,
    route: Route,
    request: &Request,
) -> Result<Served, Refusal> {
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        return Err(Refusal::method_not_allowed("GET, HEAD, OPTIONS"));
    }
    let document = match route {
        Route::ServerMetadata => authorization_server(server, client_documents::are_supported(ports, server).await),
        Route::McpMetadata => without_sign_in(&server.public_url, &resource(server, Route::Mcp, request)),
        _ => protected_resource(&server.public_url, &resource(server, Route::Internal, request)),
    };
    Ok(Served::plain(Response::json(200, document.to_string())))
}

/// The URL of an endpoint as the client writes it: "the `resource` value returned MUST be identical to the protected
/// resource's resource identifier value into which the well-known URI path suffix was inserted" (RFC 9728 §3.3).
fn resource(server: &AuthorizationServer, endpoint: Route, request: &Request) -> String {
    let slash = if request.has_final_slash() { "/" } else { "" };
    format!("{}{}{slash}", server.public_url, endpoint.path())
}

/// `/mcp` takes keys of Plausible's and no tokens, so its document names nobody who issues them: a client that found an
/// authorization server here would send its user to sign in, and be refused afterwards.
fn without_sign_in(public_url: &str, resource: &str) -> Value {
    json!({
        "resource": resource,
        "resource_name": RESOURCE_NAME,
        "resource_documentation": format!("{public_url}/"),
    })
}

/// RFC 9728 §2.
fn protected_resource(public_url: &str, resource: &str) -> Value {
    json!({
        "resource": resource,
        "authorization_servers": [public_url],
        "scopes_supported": [SCOPE],
        "bearer_methods_supported": ["header"],
        "resource_name": RESOURCE_NAME,
    })
}

/// RFC 8414 §2, with RFC 9207 §3, RFC 9728 §4 and the draft on client metadata documents.
pub fn authorization_server(server: &AuthorizationServer, takes_documents: bool) -> Value {
    let at = |path: &str| json!(format!("{}{path}", server.public_url));
    let methods = json!(["none", "client_secret_post", "client_secret_basic"]);
    let mut document = Map::from_iter(
        [
            ("issuer", json!(server.public_url)),
            ("authorization_endpoint", at(Route::Authorize.path())),
            ("token_endpoint", at(Route::Token.path())),
            ("revocation_endpoint", at(Route::Revoke.path())),
            ("scopes_supported", json!([SCOPE])),
            ("response_types_supported", json!(["code"])),
            ("response_modes_supported", json!(["query"])),
            ("grant_types_supported", json!(["authorization_code", "refresh_token"])),
            ("token_endpoint_auth_methods_supported", methods.clone()),
            ("revocation_endpoint_auth_methods_supported", methods),
            ("code_challenge_methods_supported", json!(["S256"])),
            ("authorization_response_iss_parameter_supported", json!(true)),
            ("client_id_metadata_document_supported", json!(takes_documents)),
            ("protected_resources", json!([at(Route::Internal.path())])),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    if server.registration {
        document.insert("registration_endpoint".to_owned(), at(Route::Register.path()));
    }
    Value::Object(document)
}

const RESOURCE_NAME: &str = "Plausible Analytics";
