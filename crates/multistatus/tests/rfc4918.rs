//! Every example of RFC 4918 that has a multistatus body: read, looked at, written, read again.
#![allow(clippy::unwrap_used)]

use http::StatusCode;
use multistatus::xml::Name;
use multistatus::{MultiStatus, PropStat, Property, Report, Response};

/// Reads an example, and makes sure that writing it loses nothing, and that no part of it passes
/// for the whole.
fn example(body: &str) -> MultiStatus {
    for end in 0..body.trim_end().len() {
        assert!(MultiStatus::from_xml(&body.as_bytes()[..end]).is_err(), "cut at {end}");
    }
    let read = MultiStatus::from_xml(body.as_bytes()).unwrap();
    let written = read.to_xml().unwrap();
    roxmltree::Document::parse(std::str::from_utf8(&written).unwrap()).unwrap();
    assert_eq!(MultiStatus::from_xml(&written).unwrap(), read);
    read
}

macro_rules! example {
    ($section:literal) => {
        example(include_str!(concat!("corpus/multistatus/rfc4918-", $section, ".xml")))
    };
}

fn propstats(response: &Response) -> &[PropStat] {
    match &response.report {
        Report::Properties(propstats) => propstats,
        Report::Status(status) => panic!("{status} instead of properties"),
    }
}

fn names(propstat: &PropStat) -> Vec<String> {
    propstat.properties.iter().map(|property| property.name().to_string()).collect()
}

fn find<'a>(propstat: &'a PropStat, name: &Name) -> &'a Property {
    propstat.properties.iter().find(|property| property.name() == name).unwrap()
}

fn boxschema(local: &str) -> Name {
    Name::new("http://ns.example.com/boxschema/", local).unwrap()
}

#[test]
fn rfc4918_9_1_3_named_properties() {
    let body = example!("9.1.3");
    let [response] = &body.responses[..] else { panic!() };
    assert_eq!(response.href(), "http://www.example.com/file");
    let [found, denied] = propstats(response) else { panic!() };
    assert_eq!((found.status, denied.status), (StatusCode::OK, StatusCode::FORBIDDEN));
    let author = find(found, &boxschema("author")).elements().next().unwrap();
    assert_eq!((author.name(), author.text()), (&boxschema("Name"), "J.J. Johnson".to_owned()));
    assert_eq!(find(denied, &boxschema("DingALing")).as_text(), Some(""));
    assert!(denied.description.as_ref().unwrap().contains("DingALing property"));
    assert!(body.trailer.description.unwrap().contains("access violation"));
}

#[test]
fn rfc4918_9_1_4_property_names() {
    let body = example!("9.1.4");
    let [container, front] = &body.responses[..] else { panic!() };
    let [names_of_container] = propstats(container) else { panic!() };
    assert_eq!(names_of_container.properties.len(), 6);
    let [names_of_front] = propstats(front) else { panic!() };
    assert_eq!(names(names_of_front)[0], "{http://ns.example.com/boxschema/}bigbox");
    assert_eq!(names(names_of_front)[5], "{DAV:}getetag");
}

#[test]
fn rfc4918_9_1_5_allprop() {
    let body = example!("9.1.5");
    let [container, front] = &body.responses[..] else { panic!() };
    let [of_container] = propstats(container) else { panic!() };
    let [of_front] = propstats(front) else { panic!() };
    let kinds: Vec<_> = find(of_container, &Name::dav("resourcetype")).elements().collect();
    assert_eq!(kinds.len(), 1);
    assert_eq!(kinds[0].name(), &Name::dav("collection"));
    assert_eq!(find(of_front, &Name::dav("resourcetype")).as_text(), Some(""));
    assert_eq!(find(of_front, &Name::dav("getetag")).as_text(), Some("\"zzyzx\""));
    let modified = find(of_front, &Name::dav("getlastmodified")).as_text();
    assert_eq!(modified, Some("Mon, 12 Jan 1998 09:25:56 GMT"));
    assert_eq!(find(of_front, &Name::dav("supportedlock")).elements().count(), 2);
}

#[test]
fn rfc4918_9_2_2_proppatch() {
    let body = example!("9.2.2");
    let [response] = &body.responses[..] else { panic!() };
    let [authors, owner] = propstats(response) else { panic!() };
    assert_eq!(authors.status, StatusCode::FAILED_DEPENDENCY);
    assert_eq!(owner.status, StatusCode::CONFLICT);
    assert_eq!(names(owner), ["{http://ns.example.com/standards/z39.50/}Copyright-Owner"]);
    assert!(response.description.as_ref().unwrap().ends_with("altered."));
}

fn check_locked(body: &MultiStatus, href: &str) {
    let [response] = &body.responses[..] else { panic!() };
    assert_eq!(response.href(), href);
    assert_eq!(response.report, Report::Status(StatusCode::LOCKED));
    assert_eq!(response.conditions.len(), 1);
    assert_eq!(response.conditions[0].name(), &Name::dav("lock-token-submitted"));
}

#[test]
fn rfc4918_9_6_2_delete() {
    check_locked(&example!("9.6.2"), "http://www.example.com/container/resource3");
}

#[test]
fn rfc4918_9_8_8_copy() {
    check_locked(&example!("9.8.8"), "http://www.example.com/othercontainer/R2/");
}

#[test]
fn rfc4918_9_9_6_move() {
    check_locked(&example!("9.9.6"), "http://www.example.com/othercontainer/C2/");
}

#[test]
fn rfc4918_9_10_9_multi_resource_lock() {
    let body = example!("9.10.9");
    let expected = MultiStatus::new([
        Response::status("http://example.com/webdav/secret", StatusCode::FORBIDDEN),
        Response::status("http://example.com/webdav/", StatusCode::FAILED_DEPENDENCY),
    ]);
    assert_eq!(body, expected);
}

#[test]
fn rfc4918_15_8_1_lockdiscovery() {
    let body = example!("15.8.1");
    let [found] = propstats(&body.responses[0]) else { panic!() };
    let lock = find(found, &Name::dav("lockdiscovery")).elements().next().unwrap();
    let child = |local| lock.child(&Name::dav(local)).unwrap();
    assert_eq!(child("owner").text(), "Jane Smith");
    let token = child("locktoken").child(&Name::dav("href")).unwrap().text();
    assert_eq!(token, "urn:uuid:f81de2ad-7f3d-a1b2-4f3c-00a0c91a9d76");
}

#[test]
fn rfc4918_15_10_1_supportedlock() {
    let body = example!("15.10.1");
    let [found] = propstats(&body.responses[0]) else { panic!() };
    let scopes: Vec<_> = find(found, &Name::dav("supportedlock"))
        .elements()
        .map(|entry| entry.child(&Name::dav("lockscope")).unwrap())
        .map(|scope| scope.elements().next().unwrap().name().local().to_owned())
        .collect();
    assert_eq!(scopes, ["exclusive", "shared"]);
}
