use super::*;

/// A clock that counts milliseconds from a fixed moment.
struct Clock(Instant);

impl Clock {
    fn at(&self, milliseconds: u64) -> Instant {
        self.0 + Duration::from_millis(milliseconds)
    }

    fn request(
        &self,
        cluster: usize,
        sent: u64,
        done: u64,
        outcome: Result<(), Failure>,
    ) -> Request {
        Request {
            entrance: Entrance::Door,
            cluster,
            sent: self.at(sent),
            done: self.at(done),
            outcome,
        }
    }

    fn stream(&self, number: usize, at: u64, what: Happened) -> Stream {
        Stream {
            entrance: Entrance::Hub,
            kind: Kind::Watch,
            number,
            at: self.at(at),
            what,
        }
    }
}

fn millis(duration: Duration) -> u128 {
    duration.as_millis()
}

#[test]
fn gaps_are_between_answers_and_the_ends_of_the_event() {
    let clock = Clock(Instant::now());
    let gap = |moments: &[u64]| {
        let moments = moments.iter().map(|moment| clock.at(*moment));
        millis(longest_gap(moments, clock.at(100), clock.at(1000)))
    };
    assert_eq!(gap(&[]), 900);
    assert_eq!(gap(&[50, 400, 500, 2000]), 500);
    assert_eq!(gap(&[800, 200, 500]), 300);
}

#[test]
fn requests_are_new_or_were_in_flight_when_it_began() {
    let clock = Clock(Instant::now());
    let journal = Journal::default();
    let broken = || Failure::Broken("reset".to_owned());
    for (cluster, sent, done, outcome) in [
        (0, 50, 150, Ok(())),
        (1, 60, 160, Err(broken())),
        (0, 200, 210, Ok(())),
        (1, 300, 330, Ok(())),
        (0, 400, 900, Err(Failure::Silent(1))),
        (1, 950, 990, Err(broken())),
    ] {
        journal.request(clock.request(cluster, sent, done, outcome));
    }
    let entries = journal.take();
    assert!(journal.take().requests.is_empty());
    let seen = entries.requests(Entrance::Door, clock.at(100), clock.at(1000));
    assert_eq!((seen.made, seen.failed, seen.in_flight), (6, 3, 1));
    assert_eq!((millis(seen.gap), millis(seen.cluster_gap)), (670, 790));
    let latencies = seen.latencies.into_inner();
    assert_eq!(
        latencies.into_iter().map(millis).collect::<Vec<_>>(),
        [10, 30]
    );
    let failures = entries.failures(Entrance::Door);
    let seen = failures[&broken()];
    assert_eq!((seen.count, millis(seen.longest)), (2, 100));
    assert!(entries.failures(Entrance::Hub).is_empty());
}

#[test]
fn streams_are_cut_lose_events_or_fall_silent() {
    let clock = Clock(Instant::now());
    let journal = Journal::default();
    for (number, at, what) in [
        (0, 200, Happened::Event { lost: 0 }),
        (1, 300, Happened::Event { lost: 0 }),
        (0, 400, Happened::Cut("ended".to_owned())),
        (0, 500, Happened::NotBegun("503".to_owned())),
        (0, 900, Happened::Event { lost: 2 }),
        (1, 950, Happened::Event { lost: 0 }),
    ] {
        journal.stream(clock.stream(number, at, what));
    }
    let entries = journal.take();
    let (from, to) = (clock.at(100), clock.at(1000));
    let seen = entries.streams((Entrance::Hub, Kind::Watch), 2, from, to);
    let wanted = Streams {
        count: 2,
        cuts: BTreeMap::from([("ended".to_owned(), 1)]),
        not_begun: BTreeMap::from([("503".to_owned(), 1)]),
        lost: 2,
        silence: Duration::from_millis(700),
    };
    assert_eq!(seen, wanted);
    let others = entries.streams((Entrance::Door, Kind::Watch), 1, from, to);
    assert_eq!(millis(others.silence), 900);
}
