//! The connections that have not proved who they are, oldest first. Whoever comes last is let in:
//! if there are too many, the oldest one goes, and the oldest one of an address that has too many.

use std::{
    collections::VecDeque,
    net::{IpAddr, Ipv6Addr},
};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::Bounds;

/// The strangers of one listener.
#[derive(Debug)]
pub(super) struct Strangers {
    most: usize,
    most_per_address: usize,
    here: Mutex<Here>,
}

#[derive(Debug, Default)]
struct Here {
    /// The number of the next one.
    next: u64,
    strangers: VecDeque<Stranger>,
}

#[derive(Debug)]
struct Stranger {
    number: u64,
    from: IpAddr,
    /// Ends its connection.
    expelled: CancellationToken,
}

impl Strangers {
    pub(super) fn new(bounds: &Bounds) -> Self {
        Self {
            most: bounds.strangers.max(1),
            most_per_address: bounds.strangers_per_address.max(1),
            here: Mutex::default(),
        }
    }

    /// Lets one in, and expels those that it has no room beside. Returns its number.
    pub(super) fn enter(&self, address: IpAddr, expelled: CancellationToken) -> u64 {
        let from = network(address);
        let mut here = self.here.lock();
        let number = here.next;
        here.next += 1;
        let of_address = here.strangers.iter().filter(|it| it.from == from).count();
        let goes = if of_address >= self.most_per_address {
            here.strangers.iter().position(|it| it.from == from)
        } else {
            (here.strangers.len() >= self.most).then_some(0)
        };
        let gone = goes.and_then(|index| here.strangers.remove(index));
        here.strangers.push_back(Stranger {
            number,
            from,
            expelled,
        });
        drop(here);
        if let Some(gone) = gone {
            gone.expelled.cancel();
        }
        number
    }

    /// It is no stranger any more, or gone.
    pub(super) fn leave(&self, number: u64) {
        let mut here = self.here.lock();
        let found = here.strangers.binary_search_by_key(&number, |it| it.number);
        if let Ok(index) = found {
            here.strangers.remove(index);
        }
    }
}

/// What counts as one address. Whoever has an IPv6 address usually has all of its /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(strangers: &Strangers, from: &str) -> (u64, CancellationToken) {
        let expelled = CancellationToken::new();
        let number = strangers.enter(from.parse().unwrap(), expelled.clone());
        (number, expelled)
    }

    #[test]
    fn the_last_one_is_always_let_in_and_the_oldest_one_makes_room() {
        let strangers = Strangers::new(&Bounds {
            strangers: 3,
            strangers_per_address: 2,
            ..Bounds::ANONYMOUS
        });
        let crowd = ["10.0.0.1", "10.0.0.2", "::ffff:10.0.0.2", "10.0.0.2"];
        let crowd = crowd.map(|from| enter(&strangers, from).1);
        // The second address has two, and is the only one that lost.
        let expelled = crowd.each_ref().map(CancellationToken::is_cancelled);
        assert_eq!(expelled, [false, true, false, false]);
        let (number, _) = enter(&strangers, "10.0.0.3");
        assert!(crowd[0].is_cancelled() && !crowd[2].is_cancelled());
        // Whoever is no stranger any more is not expelled and takes no room.
        strangers.leave(number);
        let (_, first) = enter(&strangers, "2001:db8::1");
        let (_, second) = enter(&strangers, "2001:db8::2:1");
        let (_, third) = enter(&strangers, "2001:db8:0:1::1");
        assert!(crowd[2].is_cancelled() && crowd[3].is_cancelled());
        assert!(
            ![first, second, third]
                .iter()
                .any(CancellationToken::is_cancelled)
        );
    }

    #[test]
    fn one_of_ipv6_is_its_whole_network() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:10.0.0.2"), of("10.0.0.2"));
        assert_ne!(of("10.0.0.3"), of("10.0.0.2"));
    }
}
