//! The crate `dav-server` as a server of a folder, set up the way its own examples are: local files,
//! locks in memory, hyper with connections that are kept.

use std::convert::Infallible;
use std::error::Error;

use dav_server::DavHandler;
use dav_server::localfs::LocalFs;
use dav_server::memls::MemLs;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, address] = &*arguments else {
        println!("dav-server {}", env!("CARGO_PKG_VERSION"));
        return Ok(());
    };
    let handler = DavHandler::builder()
        .filesystem(LocalFs::new(folder, false, false, false))
        .locksystem(MemLs::new())
        .build_handler();
    Runtime::new()?.block_on(serve(address, handler))
}

async fn serve(address: &str, handler: DavHandler) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let handler = handler.clone();
        tokio::spawn(async move {
            let answer = service_fn(|request| {
                let handler = handler.clone();
                async move { Ok::<_, Infallible>(handler.handle(request).await) }
            });
            let mut connection = http1::Builder::new();
            // A client that hangs up in the middle is nobody's failure.
            let _ = connection
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), answer)
                .await;
        });
    }
}
