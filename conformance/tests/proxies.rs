//! Behind Apache and nginx as reverse proxies that end TLS: the server is asked over plain HTTP,
//! while Destination says https and another host.

use conformance::proxy::{Kind, Plan, Proxy};
use conformance::{Folder, Server, batch, litmus, require, shell};

fn behind(kind: Kind, prefix: &str, folder: &Folder) -> (Server, Proxy) {
    let plan = Plan::new(kind, prefix);
    let arguments = ["--public-url", &plan.url()];
    let server = Server::builder().folder(folder.path()).args(arguments).as_nobody().start();
    let proxy = plan.start(server.url());
    (server, proxy)
}

/// litmus itself skips its test of `Expect: 100-continue` over TLS.
const SKIPS: &str = "expect100............. SKIPPED (skipping for SSL server)";

/// nginx drops the fragment of a Request-URI itself when it replaces a prefix, so that no server
/// behind it can refuse such a request.
const FRAGMENT: &str = "delete_fragment....... WARNING";

fn litmus_passes(kind: Kind, prefix: &str, tolerated: &[&str]) {
    if !require(&["litmus", "openssl", "apache2", "nginx"]) {
        return;
    }
    let folder = Folder::new();
    let (server, proxy) = behind(kind, prefix, &folder);
    litmus::passes(proxy.url(), tolerated);
    drop(proxy);
    server.stop();
}

#[test]
fn litmus_through_apache() {
    litmus_passes(Kind::Apache, "/", &[SKIPS]);
}

#[test]
fn litmus_through_apache_under_a_prefix() {
    litmus_passes(Kind::Apache, "/dav/", &[SKIPS]);
}

#[test]
fn litmus_through_nginx() {
    litmus_passes(Kind::Nginx, "/", &[SKIPS]);
}

#[test]
fn litmus_through_nginx_under_a_prefix() {
    litmus_passes(Kind::Nginx, "/dav/", &[SKIPS, FRAGMENT]);
}

/// Under a prefix, the outside's paths go in and come out, in every place that holds one.
#[test]
fn paths_under_a_prefix_are_the_outsides() {
    if !require(&["curl", "openssl", "nginx"]) {
        return;
    }
    let folder = Folder::new();
    folder.write("a", "a");
    let (server, proxy) = behind(Kind::Nginx, "/dav/", &folder);
    let said = shell(folder.path(), &[("U", proxy.url())], PREFIXED).success();
    let mut lines = said.stdout.lines();
    assert_eq!(lines.next(), Some("201 502 201 403"), "{said}");
    let body: String = lines.collect();
    let answer = batch::parse(&body);
    assert_eq!(answer.statuses(), [201, 201, 502]);
    for href in ["<D:href>/dav/new/</D:href>", "<D:href>/dav/new/x</D:href>"] {
        assert!(body.contains(href), "no {href} in {body}");
    }
    let names: Vec<_> = folder.tree().into_keys().map(|p| p.display().to_string()).collect();
    assert_eq!(names, ["b", "c", "new", "new/x"]);
    drop(proxy);
    server.stop();
}

const PREFIXED: &str = r#"
status() { curl -ksS -o /dev/null -w '%{http_code} ' "$@"; }
status -X COPY -H "Destination: ${U}b" "${U}a"
status -X COPY -H 'Destination: https://elsewhere.example/dav/z' "${U}a"
status -X MOVE -H 'Destination: /dav/c' "${U}a"
status -X COPY -H 'Destination: /dav/b' "${U}b" | tr -d ' '
echo
curl -ksS "${U}batch-operation" -d '<batch xmlns="urn:polydav:batch:1"> <mkcol href="/dav/new/"/>
 <put href="new/x">x</put> <delete href="https://elsewhere.example/dav/c"/> </batch>'
"#;
