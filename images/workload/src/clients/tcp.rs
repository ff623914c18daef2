//! Connections as such: one, many at once, and one that is idle for a while and used again.

use std::{
    io,
    time::{Duration, Instant},
};

use tokio::{
    io::AsyncReadExt,
    net::TcpStream,
    time::{sleep, timeout},
};

use super::{
    Attempted, Said, Scheme, Target, Task,
    connect::{connect, io_error},
    talk::exchange,
};

/// How long it may take until somebody who wants fewer connections has closed one again.
const SECOND_THOUGHTS: Duration = Duration::from_millis(300);

/// Opens what is to be open, asks where there is something to ask, and says how the first ended that did not go well.
pub async fn attempt(target: &Target, task: &Task) -> Attempted {
    let many = target.open();
    let which = |number| if many > 1 { format!("connection {number} of {many}: ") } else { String::new() };
    let mut streams = Vec::new();
    let mut said = Said::new("connected", "");
    for number in 1..=many {
        task.progress.sent_on(which(number));
        let (mut stream, address) = connect(&target.hosts, task).await?;
        if asks(target) {
            let step = format!("connected to {address}, waiting for an answer");
            said = ask(&mut stream, target, task, step).await?;
            // A server's error is the end: it says how much it takes.
            if said.status.is_some_and(|status| status >= 500) {
                return Ok(said);
            }
        }
        streams.push(stream);
    }
    if let (Some(stream), true) = (streams.first_mut(), target.setting("hold").is_some()) {
        task.progress.sent_on(which(1));
        return idle(stream, target, task).await;
    }
    if many > 1 {
        sleep(SECOND_THOUGHTS).await;
        for (index, stream) in streams.iter().enumerate() {
            task.progress.sent_on(which(index + 1));
            still_open(stream)?;
        }
        task.progress.sent_on(format!("{many} connections at once; "));
    }
    Ok(said)
}

/// Whether there is something to say on the connection.
fn asks(target: &Target) -> bool {
    target.scheme == Scheme::Http || target.setting("send").is_some() || target.setting("hold").is_some()
}

async fn ask(stream: &mut TcpStream, target: &Target, task: &Task, step: String) -> Attempted {
    task.progress.at(&step);
    let (status, text) = exchange(stream, target).await.map_err(|error| io_error(&error, &step))?;
    Ok(Said { outcome: "answered", status, text })
}

/// Stays idle with an eye on the connection, and asks again.
async fn idle(stream: &mut TcpStream, target: &Target, task: &Task) -> Attempted {
    let (start, hold) = (Instant::now(), target.idle());
    task.progress.at(format!("idle for {} s", hold.as_secs_f64()));
    let mut byte = [0];
    match timeout(hold, stream.read(&mut byte)).await {
        Err(_) => {}
        Ok(Ok(0)) => return Err(Said::new("reset", format!("closed by the server after {} idle", seconds(start)))),
        Ok(Ok(_)) => return Err(Said::failed(format!("the server spoke up after {} idle", seconds(start)))),
        Ok(Err(error)) => return Err(io_error(&error, &format!("after {} idle", seconds(start)))),
    }
    let step = format!("sent again after {} idle, waiting for an answer", seconds(start));
    ask(stream, target, task, step).await
}

fn still_open(stream: &TcpStream) -> Result<(), Said> {
    match stream.try_read(&mut [0; 512]) {
        Ok(0) => Err(Said::new("reset", "closed by the server")),
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(io_error(&error, "open")),
        _ => Ok(()),
    }
}

fn seconds(since: Instant) -> String {
    format!("{:.1} s", since.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::{io::AsyncWriteExt, net::TcpListener};

    use super::*;

    /// Echoes what comes, to so many connections, and closes what has been idle for so long.
    async fn server(most: usize, patience: Duration) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let places = Arc::new(tokio::sync::Semaphore::new(most));
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
                tokio::spawn(async move {
                    let mut buffer = [0; 64];
                    while let Ok(Ok(length @ 1..)) = timeout(patience, stream.read(&mut buffer)).await {
                        stream.write_all(&buffer[..length]).await.unwrap();
                    }
                    drop(place);
                });
            }
        });
        address.to_string()
    }

    async fn said(url: &str) -> (&'static str, String) {
        let ended = super::super::attempt(&url.parse().unwrap(), Duration::from_secs(2), 1).await;
        (ended.said.outcome, ended.said.text)
    }

    #[tokio::test]
    async fn connected_answered_and_cut_while_idle() {
        let patient = server(9, Duration::from_secs(5)).await;
        assert_eq!(said(&format!("tcp://{patient}")).await.0, "connected");
        assert_eq!(said(&format!("tcp://{patient}?send=x%20y")).await, ("answered", "x y".to_owned()));
        assert_eq!(said(&format!("tcp://{patient}?hold=100ms")).await.0, "answered");
        let hasty = server(9, Duration::from_millis(200)).await;
        let (outcome, text) = said(&format!("tcp://{hasty}?hold=1s")).await;
        assert_eq!(outcome, "reset");
        assert!(text.starts_with("closed by the server after 0."), "{text}");
    }

    #[tokio::test]
    async fn the_first_that_is_too_much_is_named() {
        let small = server(2, Duration::from_secs(5)).await;
        assert_eq!(said(&format!("tcp://{small}?open=2")).await.0, "connected");
        tokio::time::sleep(Duration::from_millis(50)).await;
        let (outcome, text) = said(&format!("tcp://{small}?open=4")).await;
        assert_eq!((outcome, text.as_str()), ("reset", "connection 3 of 4: closed by the server"));
        assert_eq!(said("tcp://127.0.0.1:1?open=3").await.0, "refused");
    }
}
