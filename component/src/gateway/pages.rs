//! stub
#![allow(missing_docs)]
use super::Response;
use crate::oauth::transaction::TransactionError;
pub struct Page {
    pub status: u16,
    pub html: String,
}
impl Page {
    pub fn into_response(self) -> Response {
        todo!()
    }
}
pub struct Consent<'a> {
    pub client_name: Option<&'a str>,
    pub client_host: Option<&'a str>,
    pub redirect_host: &'a str,
    pub is_loopback: bool,
    pub sites: Option<&'a [String]>,
    pub domains: &'a [String],
    pub handle: &'a str,
    pub token: &'a str,
    pub form_targets: Vec<String>,
}
impl Consent<'_> {
    pub fn page(&self) -> Page {
        todo!()
    }
}
pub enum FailedLogin {
    Cancelled,
    WrongAccount,
    ProviderFailed,
    ProviderUnavailable,
}
pub struct SignInFailed<'a> {
    pub reason: FailedLogin,
    pub domains: &'a [String],
    pub client_host: &'a str,
    pub sign_out_url: Option<&'a str>,
    pub handle: &'a str,
    pub token: &'a str,
    pub form_targets: Vec<String>,
}
impl SignInFailed<'_> {
    pub fn page(&self) -> Page {
        todo!()
    }
}
pub struct ReturnToClient<'a> {
    pub error: &'a str,
    pub redirect_host: &'a str,
    pub location: &'a str,
    pub resource: &'a str,
}
impl ReturnToClient<'_> {
    pub fn page(&self) -> Page {
        todo!()
    }
}
pub enum Problem {
    ClientUnknown,
    ClientMetadata,
    RedirectUri,
    Malformed,
    TooLong,
    Expired,
    Unknown,
    NotApproved,
    WrongBrowser,
    WrongForm,
    CrossSite,
    Done,
    Denied,
    TooManyAttempts,
    Decision,
    Unavailable,
    BodyTooLarge,
    UpstreamAnswer,
    TooMany(u32),
    Misconfigured(&'static str),
}
impl Problem {
    pub fn page(self) -> Page {
        todo!()
    }
}
impl From<TransactionError> for Problem {
    fn from(_: TransactionError) -> Problem {
        todo!()
    }
}
