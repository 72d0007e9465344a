//! How a batch looks on the wire: `multipart/mixed`, each part a small HTTP message.
//!
//! Writes strictly (CRLF everywhere) and reads leniently (bare LF too), since servers differ. Parts
//! are matched by `Content-ID`; where a server sends none, by their order. Pure.

use bytes::Bytes;
use serde_json::Value;

/// One call on the wire. `target` holds checked ids only.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: &'static str,
    pub(super) target: String,
    pub(super) body: Option<Value>,
}

/// One answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Part {
    pub(super) status: u16,
    pub(super) retry_after: Option<String>,
    /// Null if there was none, or no JSON.
    pub(super) body: Value,
}

/// Writes requests as parts `<item-0>`, `<item-1>`, ...
pub(super) fn encode(boundary: &str, requests: &[&Request]) -> Bytes {
    let mut text = String::new();
    for (at, request) in requests.iter().enumerate() {
        text += &format!(
            "--{boundary}\r\nContent-Type: application/http\r\n\
             Content-Transfer-Encoding: binary\r\nContent-ID: <item-{at}>\r\n\r\n\
             {} {} HTTP/1.1\r\n",
            request.method, request.target,
        );
        if let Some(body) = &request.body {
            let body = body.to_string();
            text += "Content-Type: application/json; charset=UTF-8\r\n";
            text += &format!("Content-Length: {}\r\n\r\n{body}\r\n", body.len());
        } else {
            text += "\r\n\r\n";
        }
    }
    text += &format!("--{boundary}--\r\n");
    text.into()
}

/// Reads the answers to `count` requests; `None` for a part that is missing or broken.
/// Returns `None` if this is no multipart body at all.
pub(super) fn decode(media_type: &str, body: &[u8], count: usize) -> Option<Vec<Option<Part>>> {
    let boundary = boundary_of(media_type)?;
    let text = String::from_utf8_lossy(body).replace("\r\n", "\n");
    let text = format!("\n{text}");
    let delimiter = format!("\n--{boundary}");
    let mut parts = vec![None; count];
    for (order, part) in text.split(delimiter.as_str()).skip(1).enumerate() {
        if part.starts_with("--") {
            break;
        }
        let (head, message) = halves(part.trim_start_matches(' ').strip_prefix('\n')?);
        let at = match header(head, "content-id") {
            Some(id) => item_number(id),
            None => Some(order),
        };
        if let Some(slot) = at.and_then(|at| parts.get_mut(at)) {
            *slot = read_message(message);
        }
    }
    Some(parts)
}

fn boundary_of(media_type: &str) -> Option<&str> {
    let mut fields = media_type.split(';').map(str::trim);
    if !fields.next()?.eq_ignore_ascii_case("multipart/mixed") {
        return None;
    }
    let boundary = fields.find_map(|field| {
        let (key, value) = field.split_once('=')?;
        key.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
    });
    boundary.filter(|boundary| !boundary.is_empty())
}

/// `<response-item-7>` is 7.
fn item_number(id: &str) -> Option<usize> {
    let id = id.trim_matches(|c| c == '<' || c == '>');
    id.strip_prefix("response-").unwrap_or(id).strip_prefix("item-")?.parse().ok()
}

fn read_message(message: &str) -> Option<Part> {
    let (head, body) = halves(message.trim_start_matches('\n'));
    let (line, headers) = head.split_once('\n').unwrap_or((head, ""));
    let mut words = line.split_ascii_whitespace();
    words.next().filter(|version| version.starts_with("HTTP/"))?;
    let status = words.next()?.parse().ok().filter(|status| (100..600).contains(status))?;
    let retry_after = header(headers, "retry-after").map(str::to_owned);
    Some(Part { status, retry_after, body: serde_json::from_str(body.trim()).unwrap_or_default() })
}

fn halves(message: &str) -> (&str, &str) {
    match message.strip_prefix('\n') {
        Some(body) => ("", body), // no head at all
        None => message.split_once("\n\n").unwrap_or((message, "")),
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(key, _)| key.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(status: u16) -> Option<Part> {
        Some(Part { status, retry_after: None, body: Value::Null })
    }

    #[test]
    fn requests_are_written_with_crlf_and_an_id() {
        let delete = Request { method: "DELETE", target: "/f/A".to_owned(), body: None };
        let patch =
            Request { method: "PATCH", body: Some(serde_json::json!({})), ..delete.clone() };
        let text = String::from_utf8(encode("B", &[&delete, &patch]).to_vec()).unwrap();
        let head = "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n";
        assert_eq!(
            text,
            format!(
                "--B\r\n{head}Content-ID: <item-0>\r\n\r\nDELETE /f/A HTTP/1.1\r\n\r\n\r\n\
                 --B\r\n{head}Content-ID: <item-1>\r\n\r\nPATCH /f/A HTTP/1.1\r\n\
                 Content-Type: application/json; charset=UTF-8\r\nContent-Length: 2\r\n\r\n{{}}\r\n\
                 --B--\r\n"
            )
        );
    }

    #[test]
    fn answers_find_their_requests_in_any_order() {
        let body = "--B\r\nContent-Type: application/http\r\nContent-ID: <response-item-1>\r\n\r\n\
                    HTTP/1.1 204 No Content\r\n\r\n\r\n--B\r\ncontent-id: response-item-0\r\n\r\n\
                    HTTP/1.1 403 Forbidden\r\nRetry-After: 7\r\n\r\n{\"error\":1}\r\n--B--";
        let parts = decode("multipart/mixed; boundary=\"B\"", body.as_bytes(), 2).unwrap();
        let refused = serde_json::json!({"error": 1});
        let first = Part { status: 403, retry_after: Some("7".to_owned()), body: refused };
        assert_eq!(parts, [Some(first), part(204)]);
    }

    #[test]
    fn bare_line_feeds_and_missing_ids_are_understood() {
        let body = b"--B\nContent-Type: application/http\n\nHTTP/1.1 200 OK\n\n{}\n--B\n\nHTTP/1.1 404\n\n--B--";
        let parts = decode("multipart/mixed;boundary=B", body, 3).unwrap();
        let statuses: Vec<_> = parts.iter().map(|part| part.as_ref().map(|p| p.status)).collect();
        assert_eq!(statuses, [Some(200), Some(404), None]);
    }

    /// However an answer is cut or garbled, there is one slot for each request and no panic.
    fn garbled_answers_keep_their_slots(body: &[u8], count: usize) {
        if let Some(parts) = decode("multipart/mixed; boundary=B", body, count) {
            assert_eq!(parts.len(), count);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_answer_keeps_its_slots(
            body in r"(--B|\r?\n|Content-ID: <response-item-[0-9]{1,20}>|HTTP/1.1 [0-9]{0,5}|: |\{\}|.){0,40}",
            count in 0..5_usize,
        ) {
            garbled_answers_keep_their_slots(body.as_bytes(), count);
        }

        #[test]
        fn any_bytes_keep_their_slots(body in proptest::collection::vec(0..=u8::MAX, 0..200)) {
            garbled_answers_keep_their_slots(&body, 3);
        }
    }

    #[test]
    fn nonsense_is_missing_parts_never_a_panic() {
        let mixed = "multipart/mixed; boundary=B";
        for body in ["", "--B", "--B\n", "--B--", "--B\n\n", "--B\n\nHTTP/1.1 banana\n\n--B--", "x"]
        {
            let parts = decode(mixed, body.as_bytes(), 1);
            assert!(parts.is_none_or(|parts| parts == [None]), "{body:?}");
        }
        let foreign = b"--B\nContent-ID: <response-item-99>\n\nHTTP/1.1 200 OK\n\n--B--";
        assert_eq!(decode(mixed, foreign, 1).unwrap(), [None]);
        assert_eq!(decode("application/json", b"{}", 1), None);
        assert_eq!(decode("multipart/mixed", b"{}", 1), None);
    }
}
