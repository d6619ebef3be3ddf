//! `Host` (RFC 9110 §7.2), `Origin` (RFC 6454 §7) and `Sec-Fetch-Site`: who is asked, and by whom.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use http::{HeaderName, header as field};

use super::{Header, Lines};
use crate::scan::{Invalid, Scan};

/// A host and the port behind it: the `Host` field, or the authority of a URI.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Host {
    /// The host.
    pub name: HostName,
    /// The port, if one was written.
    pub port: Option<u16>,
}

/// A host, by name or by address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostName {
    /// A name, in lower case.
    Name(Box<str>),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address, written in brackets.
    V6(Ipv6Addr),
}

/// Scheme, host and port: what decides whether two URLs belong to one server (RFC 9110 §4.3.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The scheme, in lower case.
    pub scheme: Box<str>,
    /// The host.
    pub host: HostName,
    /// The port, also if it is the default of `http` or `https`; `None` for other schemes' default.
    pub port: Option<u16>,
}

/// The `Origin` field: which page sent the request (RFC 6454 §7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestOrigin {
    /// `null`: a page that does not tell, or has none. Never ours.
    Null,
    /// A page of this origin.
    Of(Origin),
}

/// The `Sec-Fetch-Site` field: how the page that sent the request stands to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchSite {
    /// A page of our own origin.
    SameOrigin,
    /// No page at all: the user typed the address.
    None,
    /// Any other page.
    Other,
}

impl Host {
    pub(crate) fn scan(scan: &mut Scan<'_>) -> Result<Self, Invalid> {
        let name = HostName::scan(scan)?;
        let mut port = None;
        if scan.eat(b':') && scan.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            let start = scan.offset();
            let digits = scan.digits("a port")?;
            let expected = "a port of at most 65535";
            port = Some(u16::try_from(digits).map_err(|_| Invalid { offset: start, expected })?);
        }
        Ok(Self { name, port })
    }
}

impl HostName {
    fn scan(scan: &mut Scan<'_>) -> Result<Self, Invalid> {
        if scan.eat(b'[') {
            let start = scan.offset();
            let address = scan.take_while(|byte| byte.is_ascii_hexdigit() || b":.".contains(&byte));
            let address = std::str::from_utf8(address).ok().and_then(|text| text.parse().ok());
            scan.expect(b']', "] after an IPv6 address")?;
            let expected = "an IPv6 address";
            return address.map(Self::V6).ok_or(Invalid { offset: start, expected });
        }
        let name = scan.take_while(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
        if name.is_empty() || name.len() > 255 {
            return scan.fail("a host name or address");
        }
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        Ok(name.parse().map_or_else(|_| Self::Name(name.into()), Self::V4))
    }
}

impl Origin {
    pub(crate) fn new(scheme: &str, host: Host) -> Self {
        let scheme = scheme.to_ascii_lowercase();
        let port = host.port.or(match &*scheme {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        });
        Self { scheme: scheme.into(), host: host.name, port }
    }

    /// Reads `scheme://host:port`, with nothing after it.
    ///
    /// # Errors
    ///
    /// If it is not of that form.
    pub fn parse(value: &[u8]) -> Result<Self, Invalid> {
        let mut scan = Scan::new(value);
        let scheme = scan.take_while(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        if !scheme.first().is_some_and(u8::is_ascii_alphabetic) {
            return Scan::new(value).fail("a scheme, such as https");
        }
        if !scan.eat_word("://") {
            return scan.fail("://");
        }
        let host = Host::scan(&mut scan)?;
        scan.end("the end of the origin")?;
        Ok(Self::new(&String::from_utf8_lossy(scheme), host))
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V4(address) => address.fmt(f),
            Self::V6(address) => write!(f, "[{address}]"),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        match (&*self.scheme, self.port) {
            ("http", Some(80)) | ("https", Some(443)) | (_, None) => Ok(()),
            (_, Some(port)) => write!(f, ":{port}"),
        }
    }
}

impl Header for Host {
    const NAME: &'static str = "Host";
    const FIELD: HeaderName = field::HOST;
    const LINES: Lines = Lines::Single;

    fn parse(value: &[u8]) -> Result<Self, Invalid> {
        let mut scan = Scan::new(value);
        let host = Self::scan(&mut scan)?;
        scan.end("the end of the host")?;
        Ok(host)
    }
}

impl Header for RequestOrigin {
    const NAME: &'static str = "Origin";
    const FIELD: HeaderName = field::ORIGIN;
    const LINES: Lines = Lines::Single;

    fn parse(value: &[u8]) -> Result<Self, Invalid> {
        if value == b"null" { Ok(Self::Null) } else { Origin::parse(value).map(Self::Of) }
    }
}

impl Header for FetchSite {
    const NAME: &'static str = "Sec-Fetch-Site";
    const FIELD: HeaderName = HeaderName::from_static("sec-fetch-site");
    const LINES: Lines = Lines::Single;

    fn parse(value: &[u8]) -> Result<Self, Invalid> {
        Ok(match value {
            b"same-origin" => Self::SameOrigin,
            b"none" => Self::None,
            _ => Self::Other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_rfc9110_7_2() {
        for (value, written) in [
            ("www.Example.org", "www.example.org"),
            ("localhost:8080", "localhost:8080"),
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("[::0001]:80", "[::1]:80"),
            ("[::ffff:1.2.3.4]", "[::ffff:1.2.3.4]"),
            ("a:", "a"),
        ] {
            assert_eq!(Host::parse(value.as_bytes()).unwrap().to_string(), written, "{value}");
        }
        assert!(matches!(Host::parse(b"127.0.0.1").unwrap().name, HostName::V4(_)));
        assert!(matches!(Host::parse(b"0x7f.1").unwrap().name, HostName::Name(_)));
        for bad in [
            "", ":80", "a b", "a/b", "user@a", "[::1", "[1]", "::1", "a:65536", "a:b", "%61",
            "\u{e4}",
        ] {
            assert!(Host::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn origins_are_normal_rfc6454_7() {
        let origin = |value: &str| Origin::parse(value.as_bytes()).unwrap();
        assert_eq!(origin("HTTP://Example.org"), origin("http://example.org:80"));
        assert_eq!(origin("https://example.org:443").to_string(), "https://example.org");
        assert_ne!(origin("https://example.org:80"), origin("http://example.org"));
        assert_eq!(RequestOrigin::parse(b"null"), Ok(RequestOrigin::Null));
        for bad in ["", "example.org", "http:/a", "http://a/", "://a", "http://a http://b"] {
            assert!(RequestOrigin::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn unknown_sites_are_other_sites() {
        assert_eq!(FetchSite::parse(b"same-origin"), Ok(FetchSite::SameOrigin));
        assert_eq!(FetchSite::parse(b"same-site"), Ok(FetchSite::Other));
    }
}
