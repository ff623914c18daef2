//! Names looked up and connections made, one address after the other.

use std::{collections::BTreeSet, io, net::SocketAddr, time::Duration};

use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

use super::{Attempted, Said, Target, Task, target::Host};
use crate::outcome;

/// A connection to the first that takes one, and whom it is with. Each address gets its share of the time that is left.
pub async fn connect(hosts: &[Host], task: &Task) -> Result<(TcpStream, SocketAddr), Said> {
    let (addresses, mut last) = resolve(hosts, task).await;
    for (index, address) in addresses.iter().enumerate() {
        task.progress.connect(*address);
        let share = task.left() / u32::try_from(addresses.len() - index).unwrap_or(1);
        last = match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // What is written is sent at once, as every client of these servers does.
                drop(stream.set_nodelay(true));
                return Ok((stream, *address));
            }
            Ok(Err(error)) => io_error(&error, &format!("connecting to {address}")),
            Err(_) => Said::new("timeout", format!("connecting to {address}: {}", silence(share))),
        };
    }
    Err(last)
}

/// All addresses of all hosts, in order, and what went wrong last.
pub async fn resolve(hosts: &[Host], task: &Task) -> (Vec<SocketAddr>, Said) {
    let (mut addresses, mut last) = (Vec::new(), Said::failed("there is no host to connect to"));
    for (name, port) in hosts {
        task.progress.look_up(name);
        match lookup_host((name.as_str(), *port)).await {
            Ok(found) => addresses.extend(found),
            Err(error) => last = io_error(&error, &format!("looking up {name}")),
        }
    }
    (addresses, last)
}

/// `dns://NAME`: the addresses of a name.
pub async fn look_up(target: &Target, task: &Task) -> Attempted {
    let (found, last) = resolve(&target.hosts, task).await;
    let addresses: BTreeSet<String> = found.iter().map(|address| address.ip().to_string()).collect();
    if addresses.is_empty() {
        return Err(last);
    }
    Ok(Said::new("answered", addresses.into_iter().collect::<Vec<_>>().join(" ")))
}

/// An error of the system, and at what.
pub fn io_error(error: &io::Error, at: &str) -> Said {
    let (outcome, words) = match error.kind() {
        // The other end closed the connection in order, and too early.
        io::ErrorKind::UnexpectedEof => ("reset", "closed by the server before it answered".to_owned()),
        _ => (outcome::of_io(error), error.to_string()),
    };
    Said::new(outcome, format!("{at}: {words}"))
}

/// What is said of no answer.
pub fn silence(limit: Duration) -> String {
    format!("no answer within {:.1} s", limit.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Instant};

    use super::*;

    fn task() -> Task {
        Task { progress: Arc::default(), deadline: Instant::now() + Duration::from_secs(3), bytes: 1 }
    }

    #[tokio::test]
    async fn the_next_address_is_tried_and_the_last_failure_told() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let hosts = [("127.0.0.1".to_owned(), 1), ("127.0.0.1".to_owned(), port)];
        assert_eq!(connect(&hosts, &task()).await.unwrap().1.port(), port);
        let task = task();
        let refused = connect(&hosts[..1], &task).await.unwrap_err();
        assert_eq!(refused.outcome, "refused");
        assert!(refused.text.starts_with("connecting to 127.0.0.1:1: Connection refused"), "{}", refused.text);
        assert_eq!(task.progress.address().as_deref(), Some("127.0.0.1:1"));
        drop(listener);
    }

    #[test]
    fn an_early_end_is_a_reset() {
        let error = io::Error::from(io::ErrorKind::UnexpectedEof);
        assert_eq!(io_error(&error, "x"), Said::new("reset", "x: closed by the server before it answered"));
    }
}
