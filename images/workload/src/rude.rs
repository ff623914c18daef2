//! An application that does not keep to HTTP: it answers something else, or hangs up on bodies it finds too large. What it
//! treats so is decided by the head of the first request on a connection; everything else goes on to the server.

use std::{io, net::SocketAddr, time::Duration};

use axum::serve::Listener;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::sleep,
};

use crate::log::Record;

/// When to be rude.
#[derive(Clone, Default)]
pub struct Manners {
    /// The name of this hop in the log.
    pub name: String,
    /// Answer what is no HTTP.
    pub malformed: bool,
    /// Hang up on bodies larger than this.
    pub hang_up_over: Option<usize>,
}

/// What is never treated so.
const HEALTH: &str = "/healthz";
/// An answer that no client of HTTP understands.
const NO_HTTP: &[u8] = b"\x15\x03\x01\x00\x02\x02\x50";

/// Connections that go on to the server.
pub struct Polite {
    address: SocketAddr,
    passed: mpsc::Receiver<(TcpStream, SocketAddr)>,
}

impl Polite {
    /// Looks at every connection of `listener` first.
    pub fn new(listener: TcpListener, manners: Manners) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (pass, passed) = mpsc::channel(64);
        tokio::spawn(async move {
            loop {
                let Ok((stream, peer)) = listener.accept().await else {
                    // Out of descriptors, most likely: it passes.
                    sleep(Duration::from_millis(100)).await;
                    continue;
                };
                let (pass, manners) = (pass.clone(), manners.clone());
                tokio::spawn(async move {
                    if let Some(stream) = manners.meet(stream).await {
                        drop(pass.send((stream, peer)).await);
                    }
                });
            }
        });
        Ok(Self { address, passed })
    }
}

impl Listener for Polite {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.passed.recv().await {
            Some(next) => next,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.address)
    }
}

impl Manners {
    /// The connection, where it is to go on.
    async fn meet(&self, mut stream: TcpStream) -> Option<TcpStream> {
        if !self.malformed && self.hang_up_over.is_none() {
            return Some(stream);
        }
        let head = head(&stream).await?;
        let request = Head::of(&head)?;
        if request.path == HEALTH {
            return Some(stream);
        }
        if self.malformed {
            request.log(&self.name, "failed: answered in another protocol");
            drop(stream.write_all(NO_HTTP).await);
            return None;
        }
        if self.hang_up_over.is_some_and(|limit| request.bytes > limit as u64) {
            request.log(&self.name, "failed: the body is too large, hung up");
            // Dropped with the body unread, which the kernel turns into a reset.
            return None;
        }
        Some(stream)
    }
}

/// The head of the first request, left where it is for the server to read.
async fn head(stream: &TcpStream) -> Option<String> {
    let mut buffer = vec![0; 16 * 1024];
    for _ in 0..200 {
        let length = stream.peek(&mut buffer).await.ok().filter(|length| *length > 0)?;
        let text = String::from_utf8_lossy(&buffer[..length]);
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            return Some(head.to_owned());
        }
        sleep(Duration::from_millis(10)).await;
    }
    None
}

/// What is read off a head.
struct Head<'a> {
    method: &'a str,
    path: &'a str,
    id: &'a str,
    bytes: u64,
}

impl<'a> Head<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let mut words = text.lines().next()?.split(' ');
        let (method, target) = (words.next()?, words.next()?);
        let header = |name: &str| {
            let mut lines = text.lines().skip(1).filter_map(|line| line.split_once(':'));
            lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value.trim())
        };
        let path = target.split('?').next().unwrap_or(target);
        Some(Self { method, path, id: header("x-request-id"), bytes: header("content-length").parse().unwrap_or(0) })
    }

    fn log(&self, hop: &str, error: &str) {
        Record {
            time: crate::log::now(),
            hop,
            id: self.id,
            method: self.method,
            path: self.path,
            bytes: self.bytes,
            status: None,
            seconds: 0.0,
            upstream: None,
            client: None,
            user: None,
            address: None,
            outcome: None,
            error: Some(error),
        }
        .write();
    }
}
