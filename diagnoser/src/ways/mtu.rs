//! The largest packet that gets through: where a way is narrower than its ends know, somebody has to tell them.
//!
//! Source: RFC 1191 (path MTU discovery); RFC 2923 (problems with it: black holes); tcp(7).

use std::net::IpAddr;

use super::{
    Direction, End, Ways,
    trace::{Known, follow},
};
use crate::{
    evidence::{Citation, Packet, Protocol, Route, Tracked},
    model::Model,
};

/// A place that is narrower than what the ends send.
#[derive(Clone, Debug)]
pub struct Bottleneck {
    /// On which way.
    pub direction: Direction,
    /// The machine that cannot send the packet on, and has to say so.
    pub host: String,
    /// The largest packet that it can send on.
    pub mtu: u32,
    /// The largest that the ends send.
    pub sent: u32,
    /// Where the limit stands.
    pub cited: Citation,
    /// How the word of it, "fragmentation needed", ends on its way to the sender; `None` where nobody says a word, for the
    /// packet is too large to be received at all.
    pub told: Option<End>,
    /// What is not known of that way.
    pub lacks: Vec<crate::causes::Lack>,
}

/// The places at which full packets of a connection do not fit. Small ones always do.
pub fn bottlenecks(model: &Model<'_>, ways: &Ways) -> Vec<Bottleneck> {
    let ends: Vec<Option<u32>> =
        ways.each().map(|(_, way)| way.hops.first().and_then(limit).map(|(mtu, _)| mtu)).collect();
    // Each end tells the other what it takes (tcp(7), MSS), so the smaller of the two is what both send.
    let Some(sent) = ends.into_iter().flatten().min() else { return vec![] };
    let mut found = Vec::new();
    for (direction, way) in ways.each() {
        let sender = way.hops.first().and_then(|hop| Some((hop.host.clone(), hop.source?)));
        let Some((_, sender)) = sender else { continue };
        for hop in way.hops.iter().skip(1) {
            let taken = hop.iif.as_ref().and_then(|interface| Some((interface.mtu?, interface.cite())));
            let (host, direction) = (hop.host.clone(), direction);
            if let Some((mtu, cited)) = taken.filter(|(mtu, _)| *mtu < sent) {
                found.push(Bottleneck { direction, host, mtu, sent, cited, told: None, lacks: vec![] });
                break;
            }
            if let Some((mtu, cited)) = limit(hop).filter(|(mtu, _)| *mtu < sent) {
                let told = tell(model, &hop.host, sender);
                let lacks = told.all_lacks();
                found.push(Bottleneck { direction, host, mtu, sent, cited, told: Some(told.end), lacks });
                break;
            }
        }
    }
    found
}

/// The largest packet that a hop sends on, and where that stands.
fn limit(hop: &super::Hop) -> Option<(u32, Citation)> {
    let link = hop.oif.as_ref().and_then(|interface| Some((interface.mtu?, interface.cite())));
    let route = hop.route.as_ref().and_then(|route| Some((route.mtu?, Route::cite(route))));
    [link, route].into_iter().flatten().min_by_key(|(mtu, _)| *mtu)
}

/// The way of "fragmentation needed" to a sender.
fn tell(model: &Model<'_>, host: &str, sender: IpAddr) -> super::Way {
    let word = Packet {
        protocol: Protocol::FragmentationNeeded,
        opens: false,
        length: Some(576),
        ..Packet::tcp(None, sender, 0)
    };
    follow(model, host, word, &Known::of(Tracked::Related))
}
