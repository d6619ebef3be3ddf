//! A working day with curl: uploads, resumed transfers, ranges, conditions, Expect.

use conformance::{Finished, Folder, Server, require, shell};

/// Runs a script in `local` against the server, whose URL it finds in `$U`.
fn curl(local: &Folder, server: &Server, script: &str) -> Finished {
    let home = local.path().display().to_string();
    // `status` prints the status alone, whatever the content.
    let function = r#"status() { curl -sS -o /dev/null -w '%{http_code}\n' "$@"; }"#;
    let script = format!("{function}\n{script}");
    shell(local.path(), &[("U", server.url()), ("HOME", &home)], &script).success()
}

fn served() -> Option<(Folder, Folder, Server)> {
    if !require(&["curl"]) {
        return None;
    }
    let folder = Folder::new();
    let server = Server::serve(&folder);
    Some((folder, Folder::new(), server))
}

fn numbers() -> Vec<u8> {
    (0..300_000_u32).flat_map(u32::to_be_bytes).collect()
}

#[test]
fn uploads_downloads_and_resumes() {
    let Some((folder, local, server)) = served() else { return };
    local.write("big", numbers()).write("part", &numbers()[..100_000]);
    let said = curl(
        &local,
        &server,
        r#"
        status -T big "${U}big"
        status -T big "${U}big"
        status -T - "${U}piped" < big
        status -X MKCOL "${U}dir/"
        status -T big "${U}dir/"
        status -T big "${U}nowhere/big"
        curl -sS "${U}big" -o whole && cmp whole big
        curl -sS -C - "${U}big" -o part && cmp part big
        curl -sSI "${U}big""#,
    );
    let statuses: Vec<_> = said.stdout.lines().take(6).collect();
    assert_eq!(statuses, ["201", "204", "201", "201", "201", "409"], "{said}");
    let head = said.stdout.to_lowercase();
    for field in ["content-length: 1200000", "accept-ranges: bytes", "etag: \"", "last-modified: "]
    {
        assert!(head.contains(field), "no {field:?} in {said}");
    }
    for name in ["big", "piped", "dir/big"] {
        assert!(folder.read(name) == numbers(), "{name} differs");
    }
    assert!(!folder.join("nowhere").exists());
    server.stop();
}

#[test]
fn ranges() {
    let Some((folder, local, server)) = served() else { return };
    folder.write("abc", "abcdefghijklmnopqrstuvwxyz");
    let said = curl(
        &local,
        &server,
        r#"
        for range in 0-4 5-5 20- -3 24-99; do curl -sS -r $range -w ' %{http_code}\n' "${U}abc"; done
        curl -sS -r 0-1 -D - -o /dev/null "${U}abc" | grep -i ^content-range
        status -r 99-100 "${U}abc"
        curl -sS -r 0-1,10-11 -D head "${U}abc" > multi
        tag=$(curl -sSI "${U}abc" | tr -d '\r' | sed -n 's/^etag: //Ip')
        curl -sS -r 0-1 -H "If-Range: $tag" -w ' %{http_code}\n' "${U}abc"
        curl -sS -r 0-1 -H 'If-Range: "other"' -w ' %{http_code}\n' "${U}abc""#,
    );
    let lines: Vec<_> = said.stdout.lines().map(str::trim_end).collect();
    let whole = "abcdefghijklmnopqrstuvwxyz 200";
    let expected = ["abcde 206", "f 206", "uvwxyz 206", "xyz 206", "yz 206"];
    assert_eq!(lines[..5], expected, "{said}");
    assert_eq!(lines[5].to_lowercase(), "content-range: bytes 0-1/26");
    assert_eq!(lines[6..], ["416", "ab 206", whole]);
    let (head, multi) = (local.read("head"), local.read("multi"));
    let (head, multi) = (String::from_utf8_lossy(&head), String::from_utf8_lossy(&multi));
    assert!(head.starts_with("HTTP/1.1 206") && head.contains("multipart/byteranges; boundary="));
    for part in ["bytes 0-1/26\r\n", "\r\n\r\nab\r\n--", "bytes 10-11/26\r\n", "\r\n\r\nkl\r\n--"] {
        assert!(multi.contains(part), "no {part:?} in {multi:?}");
    }
    server.stop();
}

#[test]
fn conditions() {
    let Some((folder, local, server)) = served() else { return };
    folder.write("abc", "abc");
    local.write("new", "new");
    let said = curl(
        &local,
        &server,
        r#"
        tag() { curl -sSI "${U}abc" | tr -d '\r' | sed -n 's/^etag: //Ip'; }
        old=$(tag)
        status -H "If-None-Match: $old" "${U}abc"
        status -z 'Thu, 01 Jan 2099 00:00:00 GMT' "${U}abc"
        status -z 'Thu, 01 Jan 1998 00:00:00 GMT' "${U}abc"
        status -H 'If-Unmodified-Since: Thu, 01 Jan 1998 00:00:00 GMT' "${U}abc"
        status -H 'If-None-Match: *' -T new "${U}abc"
        status -H 'If-Match: "other"' -T new "${U}abc"
        status -H 'If-Match: *' -T new "${U}absent"
        status -H "If-Match: $old" -T new "${U}abc"
        status -H "If-Match: $old" -T new "${U}abc"
        status -H "If-Match: $old" -X DELETE "${U}abc"
        status --etag-save tag "${U}abc"
        status --etag-compare tag "${U}abc""#,
    );
    let expected = "304 304 200 412 412 412 412 204 412 412 200 304";
    assert_eq!(said.stdout.split_whitespace().collect::<Vec<_>>().join(" "), expected, "{said}");
    assert_eq!(folder.read("abc"), b"new");
    assert!(!folder.join("absent").exists());
    server.stop();
}

/// A refused upload is refused before it is sent, a good one is asked for.
#[test]
fn expect_continue() {
    let Some((folder, local, server)) = served() else { return };
    local.write("big", numbers());
    let said = curl(
        &local,
        &server,
        r#"
        E='Expect: 100-continue'
        curl -sS --expect100-timeout 60 -H "$E" -T big -D - -o /dev/null "${U}big"
        curl -sS --expect100-timeout 60 -H "$E" -T big -o /dev/null -w '%{http_code} %{size_upload}\n' "${U}none/big""#,
    );
    assert!(said.stdout.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201"), "{said}");
    assert_eq!(said.stdout.lines().last(), Some("409 0"), "{said}");
    assert!(folder.read("big") == numbers());
    server.stop();
}

/// Methods by hand, as people try a server out.
#[test]
fn methods_by_hand() {
    let Some((folder, local, server)) = served() else { return };
    folder.write("d/a", "a").write("d/b", "b");
    let said = curl(
        &local,
        &server,
        r#"
        curl -sS -X OPTIONS -D - -o /dev/null "$U" | tr -d '\r' | grep -i '^dav:'
        status "${U}d/"
        status "${U}d"
        status -I "${U}d/"
        status -X PROPFIND -H 'Depth: 1' "${U}d/"
        status -X COPY -H "Destination: ${U}e/" "${U}d/"
        status -X MOVE -H "Destination: /f/" "${U}e/"
        status -X MOVE -H 'Overwrite: F' -H "Destination: ${U}d/b" "${U}d/a"
        status -X MOVE -H 'Destination: http://elsewhere.example/x' "${U}d/a"
        status -X DELETE "${U}d/"
        status -X DELETE "${U}d/"
        curl -sS -X PROPFIND -H 'Depth: infinity' "$U" | grep -c '/f/a'"#,
    );
    let lines: Vec<_> = said.stdout.lines().collect();
    assert!(lines[0].contains("1") && lines[0].contains("2") && lines[0].contains("3"), "{said}");
    let expected = "200 200 200 207 201 201 412 502 204 404";
    assert_eq!(lines[1..11].join(" "), expected, "{said}");
    let names: Vec<_> = folder.tree().into_keys().map(|p| p.display().to_string()).collect();
    assert_eq!(names, ["f", "f/a", "f/b"]);
    server.stop();
}
