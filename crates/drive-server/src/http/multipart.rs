//! Cuts a multipart body into its parts, as bytes come in. Pure.
//!
//! Takes what clients really send: CRLF or bare LF, blank lines before the first boundary, a
//! boundary in quotes or not. Keeps no more than one delimiter's length of a part's content.
//! Source: RFC 2046, 5.1.

use super::api_error::ApiError;

/// The largest header block of a part, in bytes.
const HEADERS_BYTES_MAX: usize = 16 * 1024;

/// What the parser has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// A part begins; names in lower case.
    Part(Vec<(String, String)>),
    /// More content of the part.
    Data(Vec<u8>),
    /// The last boundary; whatever follows does not count.
    End,
}

#[derive(Debug)]
pub(crate) struct Multipart {
    /// A line feed, two dashes and the boundary.
    delimiter: Vec<u8>,
    buffer: Vec<u8>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first boundary: content that nobody wants.
    Preamble,
    Headers,
    /// At the first byte of a part, which may be the next boundary already.
    Start,
    Content,
    Done,
}

impl Multipart {
    /// Starts with the boundary that a `Content-Type` names.
    pub(crate) fn new(content_type: &str) -> Result<Self, ApiError> {
        let boundary = parameter(content_type, "boundary").filter(|b| (1..=200).contains(&b.len()));
        let boundary = boundary.ok_or_else(malformed)?;
        // As if a line ended just before the body: the first boundary may be its first bytes.
        let (buffer, state) = (b"\r\n".to_vec(), State::Preamble);
        Ok(Self { delimiter: format!("\n--{boundary}").into_bytes(), buffer, state })
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns the next event; none until more bytes are pushed. `last` says that none will come.
    pub(crate) fn next(&mut self, last: bool) -> Result<Option<Event>, ApiError> {
        loop {
            match self.state {
                State::Done => return Ok(None),
                State::Headers => match self.headers()? {
                    Some(headers) => return Ok(Some(Event::Part(headers))),
                    None if last => return Err(malformed()),
                    None => return Ok(None),
                },
                State::Start => {
                    let boundary = &self.delimiter[1..];
                    let known = self.buffer.len().min(boundary.len());
                    if self.buffer[..known] != boundary[..known] {
                        self.state = State::Content;
                    } else if known == boundary.len() {
                        // The line end before it was taken for the blank line: give it back.
                        self.buffer.insert(0, b'\n');
                        self.state = State::Content;
                    } else if last {
                        return Err(malformed());
                    } else {
                        return Ok(None);
                    }
                }
                State::Preamble | State::Content => match self.content(last)? {
                    Step::Again => {}
                    Step::Wait => return Ok(None),
                    Step::Found(event) => return Ok(Some(event)),
                },
            }
        }
    }

    /// Looks for the delimiter, and hands out what surely lies before it.
    fn content(&mut self, last: bool) -> Result<Step, ApiError> {
        let found = find(&self.buffer, &self.delimiter);
        let wanted = self.state == State::Content;
        let Some(at) = found else {
            if last {
                return Err(malformed());
            }
            // One more byte than the delimiter may be its start: a CR before it is not content.
            let safe = self.buffer.len().saturating_sub(self.delimiter.len() + 1);
            let data: Vec<u8> = self.buffer.drain(..safe).collect();
            let some = wanted && !data.is_empty();
            return Ok(if some { Step::Found(Event::Data(data)) } else { Step::Wait });
        };
        let end = at.saturating_sub(usize::from(at > 0 && self.buffer[at - 1] == b'\r'));
        if end > 0 {
            let data: Vec<u8> = self.buffer.drain(..end).collect();
            return Ok(if wanted { Step::Found(Event::Data(data)) } else { Step::Again });
        }
        let after = at + self.delimiter.len();
        let rest = &self.buffer[after..];
        if rest.starts_with(b"--") {
            self.state = State::Done;
            self.buffer = Vec::new();
            return Ok(Step::Found(Event::End));
        }
        let line = rest.iter().position(|byte| *byte == b'\n');
        let blank = |bytes: &[u8]| bytes.iter().all(|byte| b" \t\r".contains(byte));
        match line {
            Some(line) if blank(&rest[..line]) => {
                self.buffer.drain(..=after + line);
                self.state = State::Headers;
                Ok(Step::Again)
            }
            None if !last && rest.len() < 2 || blank(rest) && !last && rest.len() < 100 => {
                Ok(Step::Wait)
            }
            // The boundary is only the start of a longer line: content after all.
            _ => {
                let data: Vec<u8> = self.buffer.drain(..after).collect();
                Ok(if wanted { Step::Found(Event::Data(data)) } else { Step::Again })
            }
        }
    }

    /// Reads lines up to the blank one; none until that has come.
    fn headers(&mut self) -> Result<Option<Vec<(String, String)>>, ApiError> {
        let mut headers = Vec::new();
        let mut at = 0;
        while let Some(length) = self.buffer[at..].iter().position(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(&self.buffer[at..at + length]);
            let line = line.trim();
            at += length + 1;
            if at > HEADERS_BYTES_MAX {
                return Err(malformed());
            }
            if line.is_empty() {
                self.buffer.drain(..at);
                self.state = State::Start;
                return Ok(Some(headers));
            }
            if let Some((name, value)) = line.split_once(':') {
                headers.push((name.trim().to_lowercase(), value.trim().to_owned()));
            }
        }
        if self.buffer.len() > HEADERS_BYTES_MAX { Err(malformed()) } else { Ok(None) }
    }
}

enum Step {
    Again,
    Wait,
    Found(Event),
}

/// Returns a parameter of a header such as `multipart/mixed; boundary="x"`.
pub(crate) fn parameter(header: &str, name: &str) -> Option<String> {
    header.split(';').skip(1).find_map(|part| {
        let (key, value) = part.split_once('=')?;
        let value = value.trim();
        let bare = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        key.trim().eq_ignore_ascii_case(name).then(|| bare.unwrap_or(value).to_owned())
    })
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(step) = bytes[at..].iter().position(|byte| *byte == wanted[0]) {
        at += step;
        if bytes[at..].starts_with(wanted) {
            return Some(at);
        }
        at += 1;
    }
    None
}

fn malformed() -> ApiError {
    ApiError::new(hyper::StatusCode::BAD_REQUEST, "badContent", "Malformed multipart body.")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Parts = Vec<(Vec<(String, String)>, Vec<u8>)>;

    fn parse(kind: &str, body: &[u8], step: usize) -> Result<Parts, ApiError> {
        let mut parser = Multipart::new(kind)?;
        let mut parts: Parts = Vec::new();
        let mut chunks = body.chunks(step.max(1));
        loop {
            let chunk = chunks.next();
            parser.push(chunk.unwrap_or_default());
            while let Some(event) = parser.next(chunk.is_none())? {
                match event {
                    Event::Part(headers) => parts.push((headers, Vec::new())),
                    Event::Data(data) => parts.last_mut().unwrap().1.extend(data),
                    Event::End => return Ok(parts),
                }
            }
            assert!(chunk.is_some(), "the parser waits for bytes that cannot come");
        }
    }

    #[test]
    fn parts_are_found_in_whatever_form_they_come() {
        #[rustfmt::skip]
        let cases: [(&str, &str, &[&str]); 8] = [
            ("CRLF",            "--b\r\nA: 1\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n",  &["one", "two"]),
            ("bare LF",         "--b\nA: 1\n\none\n--b\n\ntwo\n--b--\n",                      &["one", "two"]),
            ("CRLF before",     "\r\n--b\r\n\r\none\r\n--b--",                              &["one"]),
            ("preamble",        "hello\n--b\n\none\n--b--",                                    &["one"]),
            ("empty part",      "--b\r\nA: 1\r\n\r\n--b\r\n\r\n\r\n--b--",                  &["", ""]),
            ("boundary inside", "--b\n\none --b\n--bx\n--b1\n--b--",                           &["one --b\n--bx\n--b1"]),
            ("blank after",     "--b \t\n\none\n--b  \n\ntwo\n--b--",                          &["one", "two"]),
            ("line ends kept",  "--b\r\n\r\n\r\n\r\n\r\n--b--",                               &["\r\n\r\n"]),
        ];
        for (what, body, wanted) in cases {
            for step in [1, 2, 3, 7, 1000] {
                let parts = parse("multipart/related;boundary=b", body.as_bytes(), step).unwrap();
                let got: Vec<_> =
                    parts.iter().map(|part| std::str::from_utf8(&part.1).unwrap()).collect();
                assert_eq!(got, wanted, "{what}, {step} bytes at once");
            }
        }
    }

    #[test]
    fn a_body_without_end_or_boundary_is_refused() {
        let kind = "multipart/mixed; boundary=\"b\"";
        let long = format!("--b\nA: {}\n\nx\n--b--", "x".repeat(HEADERS_BYTES_MAX));
        for body in ["", "--b", "--b\n", "--b\nA: 1", "--b\n\none", "--b\n\none\n--b", "x", &long] {
            assert!(parse(kind, body.as_bytes(), 5).is_err(), "{body}");
        }
        for kind in ["multipart/mixed", "multipart/mixed; boundary=", "text/plain"] {
            assert!(Multipart::new(kind).is_err(), "{kind}");
        }
        let headers = parse(kind, b"--b\nContent-ID: <a + 1>\n\n\n--b--", 1).unwrap();
        assert_eq!(headers[0].0, [("content-id".to_owned(), "<a + 1>".to_owned())]);
    }

    proptest! {
        #[test]
        fn any_content_comes_out_as_it_went_in(
            content in proptest::collection::vec(
                proptest::sample::select(b"\r\n-bx \t\0".to_vec()), 0..60),
            step in 1_usize..70,
        ) {
            let inside = find(&content, b"\n--b").is_some() || content.starts_with(b"--b");
            let body = [b"--b\r\n\r\n", content.as_slice(), b"\r\n--b--"].concat();
            let got = parse("m/r; boundary=b", &body, step);
            if !inside {
                prop_assert_eq!(&got.unwrap()[0].1, &content);
            }
        }
    }
}
