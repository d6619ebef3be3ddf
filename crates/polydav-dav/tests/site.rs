//! Which URLs are ours, and how hrefs are written behind a proxy (RFC 4918 §8.3, §10.3).

mod world;

use polydav_dav::{PublicUrl, Site};
use polydav_store::kit::{mkcol, put};
use world::{Made, World, info};

fn world(publics: &[&str]) -> World {
    let publics = publics.iter().map(|url| url.parse::<PublicUrl>().expect("it is one")).collect();
    let site = Site::new(vec!["127.0.0.1:8080".parse().expect("an address")], publics);
    World::of(Made { site, ..Made::default() }).given([mkcol("c"), put("c/f", "x")])
}

const PROXIED: &[&str] = &["https://dav.example.com/files/ours", "http://intern.example:8000/"];

#[test]
fn hrefs_have_the_prefix_of_the_public_url() {
    let world = world(PROXIED);
    for (host, hrefs) in [
        ("dav.example.com", ["/files/ours/c/", "/files/ours/c/f"]),
        ("dav.example.com:443", ["/files/ours/c/", "/files/ours/c/f"]),
        ("intern.example:8000", ["/c/", "/c/f"]),
        // A proxy that sends a Host of its own: the first URL counts.
        ("127.0.0.1:8080", ["/files/ours/c/", "/files/ours/c/f"]),
    ] {
        assert_eq!(world.ask(format!("PROPFIND /c/\nHost: {host}\nDepth: 1")).hrefs(), hrefs);
    }
    let reply = world.ask(format!("LOCK /c/\n\n{}", info("exclusive")));
    assert!(reply.text().contains("<D:lockroot><D:href>/files/ours/c/</D:href>"));
    assert_eq!(world.ask("PUT /c/f\n\ny").condition(), "lock-token-submitted /files/ours/c/");
    assert!(world.ask("GET /c/").text().contains("href=\"/files/ours/c/f\""));
    assert_eq!(world.ask("GET /c").header("content-location"), "/files/ours/c/");
}

#[test]
fn destinations_are_compared_by_path() {
    for (host, destination) in [
        ("dav.example.com", "https://dav.example.com/files/ours/n"),
        ("dav.example.com", "https://DAV.example.com:443/files/ours/n"),
        ("127.0.0.1:8080", "https://dav.example.com/files/ours/n"),
        // As Apache's `RequestHeader edit Destination ^https http` leaves it.
        ("127.0.0.1:8080", "http://dav.example.com/files/ours/n"),
        ("127.0.0.1:8080", "http://127.0.0.1:8080/files/ours/n"),
        ("127.0.0.1:8080", "http://127.0.0.1:8080/n"),
        ("127.0.0.1:8080", "http://intern.example:8000/n"),
        ("dav.example.com", "/files/ours/n"),
        ("dav.example.com", "/n"),
    ] {
        let world = world(PROXIED);
        let text = format!("COPY /c/f\nHost: {host}\nDestination: {destination}");
        assert_eq!(world.status(text), 201, "{destination}");
        assert_eq!(world.tree(), ["/c/", "/c/f=x", "/n=x"], "{destination}");
    }
}

/// Where TLS ends in front of us, the scheme is another one.
#[test]
fn schemes_are_not_compared() {
    for destination in ["http://a.example/n", "https://a.example/n", "HTTPS://A.example:443/n"] {
        let world = world(&[]);
        let text = format!("MOVE /c/f\nHost: a.example\nDestination: {destination}");
        assert_eq!(world.status(text), 201, "{destination}");
    }
}

#[test]
fn what_is_elsewhere_is_a_bad_gateway_rfc4918_9_8_5_9_9_4() {
    let world = world(PROXIED);
    let before = world.tree();
    for destination in [
        "http://elsewhere.example/n",
        "https://dav.example.com/others/n",
        "https://dav.example.com/",
        "https://dav.example.com:444/files/ours/n",
        "http://dav.example.com:444/files/ours/n",
        "http://127.0.0.1:9090/n",
        "ftp://elsewhere.example/n",
    ] {
        for method in ["COPY", "MOVE"] {
            let text = format!("{method} /c/f\nHost: 127.0.0.1:8080\nDestination: {destination}");
            assert_eq!(world.status(text), 502, "{destination}");
        }
    }
    assert_eq!(world.tree(), before);
}

#[test]
fn tags_of_if_are_read_like_destinations_rfc4918_10_4() {
    let world = world(PROXIED);
    let token = world.lock("/c/");
    for (tag, status) in [
        ("https://dav.example.com/files/ours/c/", 204),
        ("http://127.0.0.1:8080/c/", 204),
        ("/files/ours/c/", 204),
        ("/c/", 204),
        ("https://dav.example.com/c/", 412),
        ("http://elsewhere.example/c/", 412),
    ] {
        let text = format!("PUT /c/f\nHost: 127.0.0.1:8080\nIf: <{tag}> (<{token}>)\n\ny");
        assert_eq!(world.status(text), status, "{tag}");
    }
}

/// RFC 4918 §8.3: in one answer, and in all, hrefs have one form.
#[test]
fn hrefs_are_absolute_paths_rfc4918_8_3() {
    let world = world(&[]);
    for host in ["a.example", "127.0.0.1:8080", "localhost:8080"] {
        let hrefs = world.ask(format!("PROPFIND /\nHost: {host}")).hrefs();
        assert_eq!(hrefs, ["/", "/c/", "/c/f"], "{host}");
    }
}
