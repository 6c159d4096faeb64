//! Why a part is not as it should be, by the names that the log has.

use crate::bindings::outbound_http::Error;
use crate::oauth_store::{Fault as FileFault, OpenError};

/// What is wrong with a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It gave no answer; the name of the cause.
    Unanswered(&'static str),
    /// It answered with a status that is of no use.
    Status(u16),
    /// The identity provider did.
    ProviderStatus(u16),
    /// Its answer is a page, or something else that is no JSON.
    NotJson,
    /// A setting of it is missing or malformed.
    Misconfigured,
    /// The store failed; the name of the cause.
    Store(&'static str),
    /// Hardly anything can be written.
    DiskFull,
    /// Not much can be written.
    DiskLow,
    /// The disk does not answer.
    DiskHangs,
    /// Nothing can be written.
    DiskReadOnly,
    /// Reading or writing fails.
    DiskFailed,
}

impl Fault {
    /// What a fault of a store in a file says of its disk. A file that was taken away says nothing of it.
    pub(crate) fn of_disk(fault: &FileFault) -> Option<Self> {
        match fault {
            FileFault::Hangs => Some(Self::DiskHangs),
            FileFault::Full(_) | FileFault::NotOpened(OpenError::Full(_)) => Some(Self::DiskFull),
            FileFault::ReadOnly => Some(Self::DiskReadOnly),
            FileFault::Failed(_) | FileFault::NotOpened(OpenError::Failed(..)) => Some(Self::DiskFailed),
            FileFault::Lost(_) | FileFault::NotOpened(_) | FileFault::Damaged(_) => None,
        }
    }

    /// The name of the cause, for the log.
    pub(crate) fn cause(self) -> &'static str {
        match self {
            Self::Unanswered(cause) | Self::Store(cause) => cause,
            Self::Status(_) => "upstream_status",
            Self::ProviderStatus(300..400) => "provider_redirected",
            Self::ProviderStatus(429) => "provider_too_many_requests",
            Self::ProviderStatus(500..) => "provider_server_error",
            Self::ProviderStatus(_) => "provider_unexpected_status",
            Self::NotJson => "provider_malformed_answer",
            Self::Misconfigured => "misconfigured",
            Self::DiskFull => "disk_full",
            Self::DiskLow => "disk_low",
            Self::DiskHangs => "disk_hangs",
            Self::DiskReadOnly => "disk_read_only",
            Self::DiskFailed => "disk_failed",
        }
    }

    /// The status that was answered, where that is the fault.
    pub(crate) fn status(self) -> Option<u16> {
        match self {
            Self::Status(status) | Self::ProviderStatus(status) => Some(status),
            _ => None,
        }
    }
}

impl From<&Error> for Fault {
    fn from(error: &Error) -> Self {
        Self::Unanswered(Unanswered::cause(error))
    }
}

/// Exchanges without an answer.
struct Unanswered;

impl Unanswered {
    /// The name of the cause, as the component has it in its log.
    pub(crate) fn cause(error: &Error) -> &'static str {
        match error {
            Error::InvalidRequest => "http_invalid_request",
            Error::ReachUnsupported => "http_reach_unsupported",
            Error::AddressRefused => "http_address_refused",
            Error::NotAllowed => "http_not_allowed",
            Error::NameNotResolved => "http_name_not_resolved",
            Error::ConnectFailed => "http_connect_failed",
            Error::TlsFailed => "http_tls_failed",
            Error::Interrupted => "http_interrupted",
            Error::TimedOut => "http_timed_out",
            Error::ResponseTooLarge => "http_response_too_large",
            Error::NoRoom(_) => "http_no_room",
            Error::MalformedResponse => "http_malformed_response",
            Error::Busy(_) => "http_busy",
            Error::OutOfService(_) => "http_out_of_service",
            Error::AskedToWait(_) => "http_asked_to_wait",
        }
    }
}
