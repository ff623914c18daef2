//! Memory that is taken bit by bit and kept, as a leak does.

use std::{hint::black_box, time::Duration};

/// How much is taken at once.
const BIT: usize = 8 * 1024 * 1024;

/// `100Mi`, `64Ki`, or bytes.
pub fn parse(text: &str) -> Result<usize, String> {
    let (number, factor) = match (text.strip_suffix("Mi"), text.strip_suffix("Ki")) {
        (Some(number), _) => (number, 1024 * 1024),
        (_, Some(number)) => (number, 1024),
        _ => (text, 1),
    };
    number.parse::<usize>().map(|number| number * factor).map_err(|_| format!("`{text}` is no size; write 100Mi"))
}

/// Takes so many bytes, every page of them, and never gives them back.
pub async fn take(bytes: usize) {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    while kept.len() * BIT < bytes {
        kept.push(vec![1; BIT]);
        black_box(&kept);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    std::future::pending::<()>().await;
}
