//! `Site`: which hosts are ours, what their URLs mean, and how ours are written.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::HeaderMap;
use polydav_proto::header::{self, Host, HostName, Origin};
use polydav_proto::reference::{Path, Reference, encode_segment};
use polydav_store::ResourcePath;

/// The URL under which clients reach us, where that is another one than our own: behind a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    origin: Origin,
    prefix: Path,
}

/// A text is no public URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no public URL: expected http:// or https://, a host, and perhaps a path")]
pub struct InvalidPublicUrl {
    text: String,
}

impl std::str::FromStr for PublicUrl {
    type Err = InvalidPublicUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidPublicUrl { text: text.to_owned() };
        let reference = Reference::parse(text.as_bytes()).map_err(|_| invalid())?;
        let origin = reference.origin.ok_or_else(invalid)?;
        if !matches!(&*origin.scheme, "http" | "https") {
            return Err(invalid());
        }
        Ok(Self { origin, prefix: reference.path })
    }
}

/// All hosts and prefixes we answer for.
#[derive(Debug, Clone, Default)]
pub struct Site {
    // Shared, for every request has one.
    publics: Arc<[PublicUrl]>,
    listen: Arc<[SocketAddr]>,
}

/// A URL of somebody else (502).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Foreign;

/// How one request sees the site.
#[derive(Debug, Clone)]
pub struct Base {
    site: Site,
    host: Option<Host>,
    prefix: Path,
}

impl Site {
    /// A site that listens there, and is known under these URLs.
    pub fn new(listen: Vec<SocketAddr>, publics: Vec<PublicUrl>) -> Self {
        Self { publics: publics.into(), listen: listen.into() }
    }

    /// Whether a request to this host is meant for us. It is if the host is `localhost`, an address
    /// we listen on, or the host of a public URL; any other is somebody's name that was made to
    /// lead here (DNS rebinding).
    pub fn is_ours(&self, host: &Host) -> bool {
        self.is_listened_on(host) || self.public_of(host).is_some()
    }

    fn is_listened_on(&self, host: &Host) -> bool {
        let ip = match &host.name {
            HostName::Name(name) => {
                return &**name == "localhost" && self.has_port(host.port.unwrap_or(80));
            }
            HostName::V4(ip) => IpAddr::V4(*ip),
            HostName::V6(ip) => IpAddr::V6(*ip),
        };
        let port = host.port.unwrap_or(80);
        self.listen.iter().any(|address| {
            address.port() == port && (address.ip() == ip || address.ip().is_unspecified())
        })
    }

    fn has_port(&self, port: u16) -> bool {
        self.listen.iter().any(|address| address.port() == port)
    }

    fn public_of(&self, host: &Host) -> Option<&PublicUrl> {
        self.publics.iter().find(|public| {
            let default = if &*public.origin.scheme == "https" { 443 } else { 80 };
            public.origin.host == host.name
                && public.origin.port == Some(host.port.unwrap_or(default))
        })
    }

    /// Whether a page of this origin may change things here; `asked` is the host that the request
    /// was sent to.
    ///
    /// A server that listens on every address can't tell its own from others': `http://6.6.6.6:8207`
    /// may be anybody's. There, an address is ours if the browser asks that same address.
    pub fn is_own_origin(&self, origin: &Origin, asked: Option<&Host>) -> bool {
        let host = Host { name: origin.host.clone(), port: origin.port };
        let is_known = match host.name {
            HostName::Name(_) => true,
            HostName::V4(ip) => self.listen.iter().any(|address| address.ip() == ip),
            HostName::V6(ip) => self.listen.iter().any(|address| address.ip() == ip),
        };
        let is_asked = asked.is_some_and(|asked| {
            asked.name == host.name && Some(asked.port.unwrap_or(80)) == host.port
        });
        let listened =
            &*origin.scheme == "http" && (is_known || is_asked) && self.is_listened_on(&host);
        listened || self.publics.iter().any(|public| public.origin == *origin)
    }

    /// How a request with these header fields sees the site: by the public URL of its `Host`, or
    /// the first there is, since proxies often send a `Host` of their own.
    pub fn base(&self, headers: &HeaderMap) -> Base {
        let host = header::read::<Host>(headers).ok().flatten();
        let public = host.as_ref().and_then(|host| self.public_of(host)).or(self.publics.first());
        let prefix = public.map_or_else(Path::root, |public| public.prefix.clone());
        Base { site: self.clone(), host, prefix }
    }
}

impl Base {
    /// The resource a reference of the client means.
    ///
    /// # Errors
    /// [`Foreign`] if it is a resource of another server.
    pub fn resolve(&self, reference: &Reference) -> Result<ResourcePath, Foreign> {
        let Some(origin) = &reference.origin else {
            return Ok(
                strip(&reference.path, &self.prefix).unwrap_or_else(|| whole(&reference.path))
            );
        };
        if let Some(public) = self.public(origin) {
            return strip(&reference.path, &public.prefix).ok_or(Foreign);
        }
        let host = Host { name: origin.host.clone(), port: origin.port };
        if self.is_requested(origin) || self.site.is_listened_on(&host) {
            return Ok(
                strip(&reference.path, &self.prefix).unwrap_or_else(|| whole(&reference.path))
            );
        }
        Err(Foreign)
    }

    /// Schemes aren't compared: the end of TLS may lie between us and the client, and proxies are
    /// told to write `http` where the client wrote `https`. Without a port, both are that host.
    fn public(&self, origin: &Origin) -> Option<&PublicUrl> {
        let is_default = |origin: &Origin| {
            let default = if &*origin.scheme == "https" { 443 } else { 80 };
            origin.port == Some(default)
        };
        self.site.publics.iter().find(|public| {
            let public = &public.origin;
            let same_port = public.port == origin.port || is_default(public) && is_default(origin);
            public.host == origin.host && same_port
        })
    }

    /// Whether it is the host the request itself was sent to.
    fn is_requested(&self, origin: &Origin) -> bool {
        let default = if &*origin.scheme == "https" { 443 } else { 80 };
        self.host.as_ref().is_some_and(|host| {
            host.name == origin.host && origin.port == Some(host.port.unwrap_or(default))
        })
    }

    /// The collection that relative hrefs of a batch start from.
    pub(crate) fn collection(&self) -> Path {
        Path::new(self.prefix.segments(), true).unwrap_or_else(Path::root)
    }

    /// The href of a resource as the client must write it: an absolute path.
    pub fn href(&self, path: &ResourcePath, is_collection: bool) -> String {
        let mut href = String::with_capacity(path.as_bytes().len() + 16);
        self.push_href(&mut href, path, is_collection);
        href
    }

    /// Appends [`Base::href`].
    pub(crate) fn push_href(&self, out: &mut String, path: &ResourcePath, is_collection: bool) {
        for segment in self.prefix.segments().chain(path.segments()) {
            out.push('/');
            out.extend(encode_segment(segment));
        }
        let is_root = path.is_root() && self.prefix.segments().next().is_none();
        if is_collection || is_root {
            out.push('/');
        }
    }
}

fn strip(path: &Path, prefix: &Path) -> Option<ResourcePath> {
    let rest = match path.joined().strip_prefix(prefix.joined())? {
        rest if prefix.is_root() || rest.is_empty() => rest,
        rest => rest.strip_prefix(b"/")?,
    };
    ResourcePath::parse(rest).ok()
}

fn whole(path: &Path) -> ResourcePath {
    ResourcePath::parse(path.joined())
        .expect("a path of the wire keeps the rules of a resource path")
}
