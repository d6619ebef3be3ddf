//! `Accept` (RFC 9110 §12.5.1).

use http::{HeaderName, header as field};

use super::{Header, Lines};
use crate::scan::{Invalid, Scan};

/// Which media types a client would like, and how much (RFC 9110 §12.5.1).
///
/// An element that can't be read is left out instead of failing the request: nothing but the shape
/// of an answer hangs on it, and clients are careless here. Parameters other than `q` are not
/// compared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Accept(Vec<MediaRange>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct MediaRange {
    /// In lower case; `*` is any.
    kind: String,
    subtype: String,
    /// In thousandths.
    quality: u16,
}

impl Accept {
    /// The place in `offered` of the type the client likes best, and the first of equals; `None` if
    /// it wants none of them (406).
    ///
    /// Types are written without parameters and in lower case. Without the field, or if it names
    /// nothing readable, anything is acceptable.
    #[must_use]
    pub fn choose(&self, offered: &[&str]) -> Option<usize> {
        let mut best: Option<(usize, u16)> = None;
        for (place, media) in offered.iter().enumerate() {
            let quality = self.quality(media);
            if quality > best.map_or(0, |(_, quality)| quality) {
                best = Some((place, quality));
            }
        }
        best.map(|(place, _)| place)
    }

    /// The quality of the most specific range that the type is in.
    fn quality(&self, media: &str) -> u16 {
        if self.0.is_empty() {
            return 1000;
        }
        let (kind, subtype) = media.split_once('/').unwrap_or((media, ""));
        let specific = |range: &&MediaRange| match (&*range.kind, &*range.subtype) {
            ("*", _) => Some(0),
            (k, "*") if k == kind => Some(1),
            (k, s) if k == kind && s == subtype => Some(2),
            _ => None,
        };
        let ranges = self.0.iter().filter(|range| specific(range).is_some());
        ranges.max_by_key(specific).map_or(0, |range| range.quality)
    }
}

impl MediaRange {
    fn parse(element: &[u8]) -> Result<Self, Invalid> {
        let mut scan = Scan::new(element);
        scan.skip_space();
        let kind = scan.token("a media type")?.to_ascii_lowercase();
        // Java has sent a bare `*` for decades.
        let subtype = match scan.eat(b'/') {
            true => scan.token("a subtype")?.to_ascii_lowercase(),
            false if kind == "*" => kind.clone(),
            false => return scan.fail("/"),
        };
        let mut quality = 1000;
        loop {
            scan.skip_space();
            if !scan.eat(b';') {
                scan.end("; or ,")?;
                return Ok(Self { kind, subtype, quality });
            }
            scan.skip_space();
            let name = scan.token("a parameter")?;
            scan.expect(b'=', "= after a parameter")?;
            let value = scan.token_or_quoted("the value of a parameter")?;
            if name.eq_ignore_ascii_case("q") {
                quality = parse_quality(&value).map_or_else(|| scan.fail("a quality"), Ok)?;
            }
        }
    }
}

/// A number from 0 to 1 with up to three decimals, in thousandths; `.2` is taken as well.
fn parse_quality(value: &str) -> Option<u16> {
    let (whole, decimals) = value.split_once('.').unwrap_or((value, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let whole = match whole {
        "0" => 0,
        "" if !decimals.is_empty() => 0,
        "1" => 1000,
        _ => return None,
    };
    let decimals = format!("{decimals:0<3}").parse::<u16>().ok()?;
    Some(whole + decimals).filter(|quality| *quality <= 1000)
}

impl Header for Accept {
    const NAME: &'static str = "Accept";
    const FIELD: HeaderName = field::ACCEPT;
    const LINES: Lines = Lines::Join;

    fn parse(value: &[u8]) -> Result<Self, Invalid> {
        let elements = value.split(|&byte| byte == b',');
        Ok(Self(elements.filter_map(|element| MediaRange::parse(element).ok()).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFERED: [&str; 3] = ["application/xml", "application/json", "application/x-ndjson"];

    #[test]
    fn the_best_liked_wins_rfc9110_12_5_1() {
        for (value, chosen) in [
            ("", Some(0)),
            ("*/*", Some(0)),
            ("application/json", Some(1)),
            ("application/*;q=0.5, application/x-ndjson", Some(2)),
            ("application/xml;q=0.5, application/json;q=0.501", Some(1)),
            ("application/xml;q=0, */*", Some(1)),
            ("Application/JSON; charset=utf-8 ; q=1.000", Some(1)),
            ("text/html", None),
            ("*/*;q=0", None),
            ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", Some(0)),
            ("application/json;q=2, application/xml;q=0.1", Some(0)),
            ("@, application/json", Some(1)),
        ] {
            let accept = Accept::parse(value.as_bytes()).unwrap();
            assert_eq!(accept.choose(&OFFERED), chosen, "{value}");
        }
        assert_eq!(Accept::default().choose(&OFFERED), Some(0));
        assert_eq!(Accept::default().choose(&[]), None);
    }

    #[test]
    fn specific_ranges_take_precedence_rfc9110_12_5_1() {
        let value = b"text/*;q=0.3, text/plain;q=0.7, */*;q=0.5";
        let accept = Accept::parse(value).unwrap();
        for (media, quality) in [("text/plain", 700), ("text/html", 300), ("image/jpeg", 500)] {
            assert_eq!(accept.quality(media), quality, "{media}");
        }
    }

    #[test]
    fn qualities() {
        for (value, quality) in [
            ("1", Some(1000)),
            ("1.000", Some(1000)),
            ("0.", Some(0)),
            (".25", Some(250)),
            ("0.1234", None),
            ("1.1", None),
            (".", None),
            ("-1", None),
            ("0.+1", None),
        ] {
            assert_eq!(parse_quality(value), quality, "{value}");
        }
    }
}
