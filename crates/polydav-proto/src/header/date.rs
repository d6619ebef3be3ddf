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
    let mut out = String::with_capacity(29);
    push_date(&mut out, time).then_some(out)
}

/// Appends what [`write_date`] writes; tells whether it could.
pub fn push_date(out: &mut String, time: SystemTime) -> bool {
    const DAYS: [&str; 7] = ["Thu, ", "Fri, ", "Sat, ", "Sun, ", "Mon, ", "Tue, ", "Wed, "];
    const MONTHS: [&str; 12] = [
        " Jan ", " Feb ", " Mar ", " Apr ", " May ", " Jun ", " Jul ", " Aug ", " Sep ", " Oct ",
        " Nov ", " Dec ",
    ];
    let Some(civil) = Civil::of(time) else { return false };
    out.push_str(DAYS[civil.weekday]);
    push_digits(out, civil.day);
    out.push_str(MONTHS[civil.month - 1]);
    civil.push_year(out);
    out.push(' ');
    civil.push_time(out);
    out.push_str(" GMT");
    true
}

/// Appends a time as `date-time` of RFC 3339 in UTC, to the second; tells whether it could, which
/// it can't outside the years 1970 to 9999.
pub fn push_date_time(out: &mut String, time: SystemTime) -> bool {
    let Some(civil) = Civil::of(time) else { return false };
    civil.push_year(out);
    out.push('-');
    push_digits(out, civil.month);
    out.push('-');
    push_digits(out, civil.day);
    out.push('T');
    civil.push_time(out);
    out.push('Z');
    true
}

/// A time of the calendar, in UTC. A listing tells two for each member, so this is on its own, and
/// not a matter of format strings.
struct Civil {
    year: usize,
    month: usize,
    day: usize,
    /// From Thursday on, the first day there was.
    weekday: usize,
    /// Of the day.
    second: usize,
}

impl Civil {
    fn of(time: SystemTime) -> Option<Self> {
        const YEAR_10000: u64 = 253_402_300_800;
        const DAY: u64 = 86_400;
        const DAYS_OF_400_YEARS: usize = 146_097;
        let seconds = time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
        if seconds >= YEAR_10000 {
            return None;
        }
        let days = (seconds / DAY) as usize;
        // Counted from 1 March of the year 0, so that the day that not every year has comes last.
        let since_march = days + 719_468;
        let (cycle, day) = (since_march / DAYS_OF_400_YEARS, since_march % DAYS_OF_400_YEARS);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let in_next_year = usize::from(month >= 10);
        Some(Self {
            year: cycle * 400 + year + in_next_year,
            month: (month + 2) % 12 + 1,
            day: day - (153 * month + 2) / 5 + 1,
            weekday: days % 7,
            second: (seconds % DAY) as usize,
        })
    }

    fn push_year(&self, out: &mut String) {
        push_digits(out, self.year / 100);
        push_digits(out, self.year % 100);
    }

    fn push_time(&self, out: &mut String) {
        push_digits(out, self.second / 3600);
        out.push(':');
        push_digits(out, self.second / 60 % 60);
        out.push(':');
        push_digits(out, self.second % 60);
    }
}

/// Appends a number below 100 with two digits.
fn push_digits(out: &mut String, number: usize) {
    let digit = |number: usize| char::from(b'0' + (number % 10) as u8);
    out.push(digit(number / 10));
    out.push(digit(number));
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

    #[test]
    fn date_times_are_written_to_the_second() {
        let mut out = String::new();
        assert!(push_date_time(
            &mut out,
            SystemTime::UNIX_EPOCH + Duration::from_millis(951_827_696_999)
        ));
        assert_eq!(out, "2000-02-29T12:34:56Z");
    }

    proptest::proptest! {
        #[test]
        fn dates_are_those_of_another_calendar(seconds in 0..253_402_300_800_u64) {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            proptest::prop_assert_eq!(write_date(time).unwrap(), httpdate::fmt_http_date(time));
        }
    }
}
