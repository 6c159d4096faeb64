//! What stands in one file of a chain.
//!
//! ```text
//! byte 0      1       version
//! byte 1      1 | 0   a record | the seal
//! byte 2..10          the end of the record's time, in milliseconds since 1970, little-endian
//! byte 10..           the value
//! ```

/// One link of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// A record.
    Record(Record),
    /// The end of the chain: nothing may follow.
    Seal,
}

/// A record with its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// In milliseconds since 1970.
    pub(super) end: u64,
    /// The value.
    pub(super) value: Vec<u8>,
}

/// The bytes are not such a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

impl Content {
    /// The bytes of the file.
    pub(super) fn encode(&self) -> Vec<u8> {
        let (kind, end, value): (u8, u64, &[u8]) = match self {
            Self::Record(record) => (RECORD, record.end, &record.value),
            Self::Seal => (SEAL, 0, &[]),
        };
        let mut bytes = Vec::with_capacity(HEADER_BYTES + value.len());
        bytes.extend([VERSION, kind]);
        bytes.extend(end.to_le_bytes());
        bytes.extend(value);
        bytes
    }

    /// Reads the bytes of a file.
    pub(super) fn decode(mut bytes: Vec<u8>) -> Result<Self, Malformed> {
        let (header, _) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or(Malformed)?;
        let [version, kind, end @ ..] = *header;
        let end = u64::from_le_bytes(end);
        match (version, kind) {
            (VERSION, RECORD) => {
                bytes.drain(..HEADER_BYTES);
                Ok(Self::Record(Record { end, value: bytes }))
            }
            (VERSION, SEAL) => Ok(Self::Seal),
            _ => Err(Malformed),
        }
    }
}

const VERSION: u8 = 1;
const SEAL: u8 = 0;
const RECORD: u8 = 1;
const HEADER_BYTES: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        for value in [Vec::new(), b"value".to_vec(), (0..=u8::MAX).collect()] {
            let record = Content::Record(Record { end: 0x0123_4567_89ab_cdef, value });
            assert_eq!(Content::decode(record.encode()), Ok(record));
        }
        assert_eq!(Content::decode(Content::Seal.encode()), Ok(Content::Seal));
    }

    #[test]
    fn other_bytes_are_refused() {
        let seal = Content::Seal.encode();
        for bytes in [&[][..], &seal[..9], &[2, 1, 0, 0, 0, 0, 0, 0, 0, 0], &[1, 2, 0, 0, 0, 0, 0, 0, 0, 0]] {
            assert_eq!(Content::decode(bytes.to_vec()), Err(Malformed), "{bytes:?}");
        }
    }
}
