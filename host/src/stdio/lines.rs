//! Lines of a stream, none longer than a limit.

use bytes::Bytes;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line that is not blank, without its line feed.
    Text(Bytes),
    /// A line beyond the limit; it was read to its end and dropped.
    TooLong,
    /// The stream is over.
    End,
}

/// Reads up to and including the next line feed. A last line needs none.
pub(super) async fn next_line<R: AsyncBufRead + Unpin>(input: &mut R, largest: usize) -> std::io::Result<Line> {
    loop {
        let mut line = Vec::new();
        let mut too_long = false;
        let mut begun = false;
        loop {
            let available = input.fill_buf().await?;
            if available.is_empty() {
                break;
            }
            begun = true;
            let end = available.iter().position(|byte| *byte == b'\n');
            let piece = end.and_then(|end| available.get(..end)).unwrap_or(available);
            too_long |= line.len() + piece.len() > largest;
            if !too_long {
                line.extend_from_slice(piece);
            }
            let used = end.map_or(available.len(), |end| end + 1);
            input.consume(used);
            if end.is_some() {
                break;
            }
        }
        if too_long {
            return Ok(Line::TooLong);
        }
        if !line.trim_ascii().is_empty() {
            return Ok(Line::Text(line.into()));
        }
        if !begun {
            return Ok(Line::End);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::BufReader;

    use super::*;

    async fn lines_of(text: &str) -> Vec<Line> {
        // A small buffer, so that lines span several reads.
        let mut input = BufReader::with_capacity(4, text.as_bytes());
        let mut lines = Vec::new();
        loop {
            match next_line(&mut input, 8).await.unwrap() {
                Line::End => return lines,
                line => lines.push(line),
            }
        }
    }

    fn text(line: &'static str) -> Line {
        Line::Text(Bytes::from_static(line.as_bytes()))
    }

    #[tokio::test]
    async fn blank_lines_are_skipped_and_the_last_needs_no_end() {
        assert_eq!(lines_of("{}\n\n \r\n[1,2,3]\r\nlast").await, [text("{}"), text("[1,2,3]\r"), text("last")]);
    }

    #[tokio::test]
    async fn a_long_line_is_dropped_and_the_next_one_read() {
        assert_eq!(lines_of("123456789\n12345678\n").await, [Line::TooLong, text("12345678")]);
    }
}
