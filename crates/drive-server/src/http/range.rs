//! Byte ranges: `Range` of downloads, `Content-Range` of resumable uploads. Pure.

/// What a download is to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Download {
    All,
    /// First and last byte, both included.
    Part(u64, u64),
    /// The range begins after the end.
    Unsatisfiable,
}

/// Decides what a `Range` header asks of a file. What is not one range of bytes is ignored, as
/// RFC 9110, 14.2 allows.
pub(crate) fn download(header: Option<&str>, size: u64) -> Download {
    let asked = header.and_then(|header| header.trim().strip_prefix("bytes="));
    let Some((first, last)) = asked.and_then(|range| range.split_once('-')) else {
        return Download::All;
    };
    let (first, last) = (first.trim(), last.trim());
    let bounds = match (first, last) {
        ("", suffix) => match number(suffix) {
            None => return Download::All,
            Some(0) => return Download::Unsatisfiable,
            Some(count) => (size.saturating_sub(count), size.saturating_sub(1)),
        },
        (first, "") => match number(first) {
            None => return Download::All,
            Some(first) => (first, size.saturating_sub(1)),
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => (first, last.min(size.saturating_sub(1))),
            _ => return Download::All,
        },
    };
    if bounds.0 >= size { Download::Unsatisfiable } else { Download::Part(bounds.0, bounds.1) }
}

/// What a request to an upload session brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Upload {
    /// All of the content, from its start.
    Whole,
    /// The bytes from `first` to `last`, both included, of `total` if that is known.
    Chunk { first: u64, last: u64, total: Option<u64> },
    /// Nothing: the client asks how far we are, and may say how much there will be.
    Status { total: Option<u64> },
}

/// Reads a `Content-Range`; none for a header that makes no sense.
pub(crate) fn upload(header: Option<&str>) -> Option<Upload> {
    let Some(header) = header else { return Some(Upload::Whole) };
    let (range, total) = header.trim().strip_prefix("bytes ")?.split_once('/')?;
    let total = match total.trim() {
        "*" => None,
        total => Some(number(total)?),
    };
    if range.trim() == "*" {
        return Some(Upload::Status { total });
    }
    let (first, last) = range.split_once('-')?;
    let (first, last) = (number(first.trim())?, number(last.trim())?);
    let fits = first <= last && total.is_none_or(|total| last < total);
    fits.then_some(Upload::Chunk { first, last, total })
}

/// Reads digits only: `parse` alone would take a `+`. The bound keeps sums from overflowing.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|number| *number < 1 << 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_download_range_is_cut_to_the_file() {
        #[rustfmt::skip]
        let cases = [
            // header                 size  answer
            (None,                      10, Download::All),
            (Some("bytes=0-4"),         10, Download::Part(0, 4)),
            (Some("bytes=5-"),          10, Download::Part(5, 9)),
            (Some("bytes=-3"),          10, Download::Part(7, 9)),
            (Some("bytes=-30"),         10, Download::Part(0, 9)),
            (Some("bytes=0-10485759"),  10, Download::Part(0, 9)),
            (Some("bytes=10-"),         10, Download::Unsatisfiable),
            (Some("bytes=-0"),          10, Download::Unsatisfiable),
            (Some("bytes=0-10485759"),   0, Download::Unsatisfiable),
            (Some("bytes=-5"),           0, Download::Unsatisfiable),
            (Some("bytes=4-2"),         10, Download::All),
            (Some("bytes=0-1,3-4"),     10, Download::All),
            (Some("lines=0-1"),         10, Download::All),
            (Some("bytes=a-b"),         10, Download::All),
            (Some("bytes=-"),           10, Download::All),
            (Some("bytes=99999999999999999999-"), 10, Download::All),
        ];
        for (header, size, answer) in cases {
            assert_eq!(download(header, size), answer, "{header:?} of {size}");
        }
    }

    #[test]
    fn a_content_range_is_a_chunk_or_a_question() {
        let chunk = |first, last, total| Some(Upload::Chunk { first, last, total });
        #[rustfmt::skip]
        let cases = [
            (None,                       Some(Upload::Whole)),
            (Some("bytes 0-59/60"),      chunk(0, 59, Some(60))),
            (Some("bytes 5-9/*"),        chunk(5, 9, None)),
            (Some("bytes */60"),         Some(Upload::Status { total: Some(60) })),
            (Some("bytes */*"),          Some(Upload::Status { total: None })),
            (Some("bytes 0-60/60"),      None),
            (Some("bytes 9-5/60"),       None),
            (Some("bytes +0-5/60"),      None),
            (Some("0-5/60"),             None),
            (Some("bytes 0-5"),          None),
            (Some(""),                   None),
        ];
        for (header, wanted) in cases {
            assert_eq!(upload(header), wanted, "{header:?}");
        }
    }
}
