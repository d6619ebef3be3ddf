//! `polydav demo`: a sample folder and a small database, served, and the sample batch sent to them
//! over real HTTP.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use multistatus::MultiStatus;
use polydav_store::{Durability, ResourcePath};
use rusqlite::Connection;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::args::DemoArgs;
use crate::error::Error;
use crate::mount::{Mount, Source};
use crate::setup::Setup;
use crate::{serve, table};

/// What is sent: the file that the README sends by curl.
const BATCH: &str = include_str!("../../../examples/batch-data.xml");

/// What makes the sample database.
const SHOP: &str = include_str!("../../../examples/shop.sql");

/// The sample folder.
const FILES: &[(&str, &str)] = &[
    ("inbox/report.txt", "Sales went up.\n"),
    ("inbox/notes.txt", "Call Ada back.\n"),
    ("inbox/photo.jpg", "Imagine a photograph.\n"),
    ("templates/letter.txt", "Dear reader,\n"),
    ("old/draft.txt", "Nobody needs this any more.\n"),
];

/// Runs the demo, by this runtime and those `beside`.
pub(crate) async fn demo(args: DemoArgs, beside: Vec<Handle>) -> Result<(), Error> {
    let failed = |error: io::Error| Error::Demo(error.to_string());
    let place = tempfile::tempdir().map_err(failed)?;
    let (folder, shop) = (place.path().join("files"), place.path().join("shop.db"));
    fill(&folder).map_err(failed)?;
    Connection::open(&shop)
        .and_then(|shop| shop.execute_batch(SHOP))
        .map_err(|error| Error::Demo(error.to_string()))?;
    let records = ResourcePath::parse("records").expect("it is a segment");
    let asked_to_end = serve::asked_to_end()?;
    let setup = Setup {
        mounts: vec![
            Mount::new(ResourcePath::root(), Source::Folder(folder.clone())),
            Mount::new(records, Source::Sqlite(shop.clone())),
        ],
        listen: vec![args.listen],
        publics: Vec::new(),
        durability: Durability::Full,
        state: None,
        htpasswd: None,
        allowed_origins: Vec::new(),
        dav: polydav_dav::Options::default(),
    };
    let (server, dav, options) = serve::prepare(setup, beside).await?;
    let address = server.addresses()[0];
    serve::announce(server.addresses());
    let (go_on, going_on) = oneshot::channel::<()>();
    // Without the word to go on, the server ends once the batch was sent.
    let ended = async move {
        if going_on.await.is_ok() {
            asked_to_end.await;
        }
    };
    let serving = tokio::spawn(server.serve(dav, options, ended));
    let shown = show(address, &folder, &shop).await;
    if shown.is_ok() && !args.once {
        // If nobody waits for it, the server has ended already.
        let _ = go_on.send(());
    } else {
        drop(go_on);
    }
    serving.await.map_err(|panic| Error::Demo(panic.to_string()))?;
    shown
}

fn fill(folder: &Path) -> io::Result<()> {
    for (name, content) in FILES {
        let path = folder.join(name);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(path, content)?;
    }
    Ok(())
}

/// Sends the batch, and prints what went there and what came back.
#[allow(clippy::print_stdout, reason = "this is what the demo is for")]
async fn show(address: SocketAddr, folder: &Path, shop: &Path) -> Result<(), Error> {
    println!("\nA sample folder, {}:\n", folder.display());
    FILES.iter().for_each(|(name, _)| println!("    /{name}"));
    println!("\nA small database, {}:\n", shop.display());
    println!("    /records/customers/\n    /records/orders/");
    println!("\nPOST /batch-operation HTTP/1.1\nHost: {address}\n\n{BATCH}");
    let answer = send(address).await.map_err(|error| Error::Demo(error.to_string()))?;
    let status = answer.status();
    println!("HTTP/1.1 {status}");
    for (name, value) in answer.headers() {
        println!("{name}: {}", String::from_utf8_lossy(value.as_bytes()));
    }
    if status.as_u16() != 207 {
        return Err(Error::Demo(String::from_utf8_lossy(answer.body()).into_owned()));
    }
    let body =
        MultiStatus::from_xml(answer.body()).map_err(|error| Error::Demo(error.to_string()))?;
    println!("\n{}", table::write(&body));
    Ok(())
}

type SendError = Box<dyn std::error::Error + Send + Sync>;

async fn send(address: SocketAddr) -> Result<Response<Bytes>, SendError> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::post("/batch-operation")
        .header("host", address.to_string())
        .body(Full::new(Bytes::from_static(BATCH.as_bytes())))?;
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    drop(sender);
    connection.await??;
    Ok(Response::from_parts(head, body))
}
