//! What is said on a connection that is kept: a line, or a request of HTTP/1.1, and the answer to it.

use std::io;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{Scheme, Target};

/// Heads and answers are small here; what is longer is read and left.
const MOST: usize = 1024 * 1024;

/// Says what the target wants to be asked and returns the status, where it is HTTP, and the first words of the answer.
pub async fn exchange(stream: &mut TcpStream, target: &Target) -> io::Result<(Option<u16>, String)> {
    if target.scheme == Scheme::Http {
        let host = target.authority();
        let request = format!("GET {} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: workload\r\n\r\n", target.path);
        stream.write_all(request.as_bytes()).await?;
        return http_answer(stream).await;
    }
    let line = target.setting("send").unwrap_or("hello");
    stream.write_all(format!("{line}\n").as_bytes()).await?;
    let answer = read_until(stream, |bytes| bytes.contains(&b'\n')).await?;
    Ok((None, first_line(&answer)))
}

async fn http_answer(stream: &mut TcpStream) -> io::Result<(Option<u16>, String)> {
    let answer = read_until(stream, whole).await?;
    let line = first_line(&answer);
    let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse().ok());
    match status {
        Some(status) => Ok((Some(status), line)),
        None => Err(io::Error::other(format!("that is no answer of HTTP: {line}"))),
    }
}

/// Whether an answer is there with its body; one without a length is taken to be its head alone.
fn whole(bytes: &[u8]) -> bool {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    if head.contains("transfer-encoding: chunked") {
        return bytes.ends_with(b"0\r\n\r\n");
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    bytes.len() >= end + 4 + length.unwrap_or(0)
}

async fn read_until(stream: &mut TcpStream, enough: impl Fn(&[u8]) -> bool) -> io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    while !enough(&answer) && answer.len() < MOST {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(answer)
}

fn first_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.lines().next().unwrap_or_default().chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_with_its_body() {
        assert!(!whole(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n."));
        assert!(whole(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n.."));
        assert!(whole(b"HTTP/1.1 304 Not Modified\r\n\r\n"));
        assert!(whole(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n.\r\n0\r\n\r\n"));
        assert_eq!(first_line(b"HTTP/1.1 200 OK\r\nx"), "HTTP/1.1 200 OK");
    }
}
