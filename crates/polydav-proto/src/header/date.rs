//! HTTP dates (RFC 9110 §5.6.7).

use std::time::SystemTime;

use crate::scan::Invalid;

/// Reads an HTTP-date in any of its three formats.
///
/// # Errors
///
/// If it is none. `If-Modified-Since` and `If-Unmodified-Since` ignore such a value, as they must.
pub fn parse_date(value: &[u8]) -> Result<SystemTime, Invalid> {
    std::str::from_utf8(value).ok().and_then(|date| httpdate::parse_http_date(date).ok()).ok_or(
        Invalid { offset: 0, expected: "an HTTP date, such as Sun, 06 Nov 1994 08:49:37 GMT" },
    )
}

/// Writes a time as IMF-fixdate, or `None` outside the years 1970 to 9999, which it can't tell.
#[must_use]
pub fn write_date(time: SystemTime) -> Option<String> {
    const YEAR_10000: u64 = 253_402_300_800;
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    (since.as_secs() < YEAR_10000).then(|| httpdate::fmt_http_date(time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn three_formats_rfc9110_5_6_7() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        for date in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(parse_date(date.as_bytes()), Ok(time), "{date}");
        }
        assert_eq!(write_date(time).unwrap(), "Sun, 06 Nov 1994 08:49:37 GMT");
        for bad in ["", "0", "1994-11-06T08:49:37Z", "Sun, 06 Nov 1994 08:49:37"] {
            assert!(parse_date(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn times_outside_the_format_are_not_written() {
        assert_eq!(write_date(SystemTime::UNIX_EPOCH - Duration::from_secs(1)), None);
        let last = SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_799);
        assert_eq!(write_date(last).unwrap(), "Fri, 31 Dec 9999 23:59:59 GMT");
        assert_eq!(write_date(last + Duration::from_secs(1)), None);
    }
}
