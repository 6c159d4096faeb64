//! Which headers a request may have. They are the host's rules (`wit/outbound-http.wit`): what `wasi:http` or its host
//! writes itself is not the component's business, since a second opinion on framing or on the host is how requests are
//! smuggled.

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderName, HeaderValue};

/// A header is malformed, belongs to the host, or is one too many. The request cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidHeader;

/// The fields to send, in their order, with the `content-length` of a body.
///
/// # Errors
/// See [`InvalidHeader`].
pub fn fields(
    headers: &[(String, String)],
    body_length: Option<usize>,
) -> Result<Vec<(String, Vec<u8>)>, InvalidHeader> {
    if headers.len() > HEADER_FIELDS {
        return Err(InvalidHeader);
    }
    let mut fields = headers.iter().map(field).collect::<Result<Vec<_>, _>>()?;
    fields.extend(body_length.map(|length| (CONTENT_LENGTH.to_string(), length.to_string().into_bytes())));
    Ok(fields)
}

fn field((name, value): &(String, String)) -> Result<(String, Vec<u8>), InvalidHeader> {
    let name = HeaderName::try_from(name).map_err(|_| InvalidHeader)?;
    let value = HeaderValue::try_from(value).map_err(|_| InvalidHeader)?;
    if OURS.contains(&name) {
        return Err(InvalidHeader);
    }
    Ok((name.to_string(), value.as_bytes().to_vec()))
}

const OURS: [HeaderName; 7] = [CONNECTION, CONTENT_LENGTH, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];
/// Several times what the component sends.
const HEADER_FIELDS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)], body_length: Option<usize>) -> Result<Vec<(String, Vec<u8>)>, InvalidHeader> {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        fields(&pairs, body_length)
    }

    #[test]
    fn framing_and_host_are_not_the_components_business() {
        for header in
            [("Host", "b"), ("content-length", "9"), ("Transfer-Encoding", "chunked"), ("a b", "c"), ("a", "b\r\nc: d")]
        {
            assert_eq!(of(&[header], None), Err(InvalidHeader), "{header:?}");
        }
        assert_eq!(of(&[("a", "b"); HEADER_FIELDS + 1], None), Err(InvalidHeader));
    }

    #[test]
    fn a_body_has_its_length_and_no_body_has_none() {
        assert_eq!(of(&[("Accept", "x")], None), Ok(vec![("accept".to_owned(), b"x".to_vec())]));
        assert_eq!(of(&[], Some(12)), Ok(vec![("content-length".to_owned(), b"12".to_vec())]));
    }
}
