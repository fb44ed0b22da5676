//! Asks a server on tokio, with a time limit for each answer.
//!
//! `cargo run -p memlet --features asynch --example tokio -- 127.0.0.1:11211`

use std::error::Error;
use std::time::Duration;

use embedded_io_adapters::tokio_1::FromTokio;
use memlet::asynch::Client;
use tokio::net::TcpStream;
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_secs(1);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("which server?")?;
    let stream = timeout(LIMIT, TcpStream::connect(address)).await??;
    let mut client = Client::new(FromTokio::new(stream));

    timeout(LIMIT, client.set(b"greeting", b"hello")).await??;
    let keys = ["greeting", "nothing"];
    for (key, item) in keys
        .iter()
        .zip(timeout(LIMIT, client.get_many(&keys)).await??)
    {
        let value = item.map(|item| String::from_utf8_lossy(&item.value).into_owned());
        println!("{key}: {value:?}");
    }
    // A time limit that is over costs nothing but the answer: the client goes on.
    match timeout(Duration::ZERO, client.version()).await {
        Ok(version) => println!("version {}", String::from_utf8_lossy(version?)),
        Err(_) => println!(
            "not at once, but the client is of use: {}",
            client.is_healthy()
        ),
    }
    timeout(LIMIT, client.noop()).await??;
    Ok(())
}
