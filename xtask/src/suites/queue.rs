//! The order in which suites start, and how many run at a time. Pure.

/// Each suite takes some of these units while it runs. A unit is half of a core, because many suites
/// wait for most of their time.
const UNITS_PER_CORE: usize = 2;

/// The cost of a suite. Only the order and the load depend on it, so rough values are good enough.
/// The gate prints the time of each suite.
#[derive(Clone, Copy, Debug)]
struct Cost {
    title: &'static str,
    units: usize,
    seconds: usize,
}

/// The suites that take long, as the gate measured them on two cores.
const KNOWN: [Cost; 19] = [
    cost("e2e operator", 3, 265),
    cost("e2e tokens", 1, 230),
    cost("e2e tunnels", 3, 175),
    cost("e2e install", 2, 75),
    cost("e2e node", 2, 60),
    cost("e2e chart", 2, 40),
    cost("e2e faults", 1, 75),
    cost("e2e grants", 1, 45),
    cost("e2e journeys", 1, 75),
    cost("e2e derived", 1, 40),
    cost("e2e ocm", 1, 40),
    cost("e2e refusals", 1, 20),
    cost("e2e world", 1, 15),
    cost("e2e upstream", 1, 15),
    cost("e2e plugin", 1, 15),
    cost("e2e upgrades", 1, 5),
    cost("tunnel simulation", 4, 3),
    cost("operator lib", 3, 4),
    cost("gateway-server lib", 1, 8),
];

const fn cost(title: &'static str, units: usize, seconds: usize) -> Cost {
    Cost {
        title,
        units,
        seconds,
    }
}

/// The waiting suites, and the free units of the machine.
#[derive(Debug)]
pub(super) struct Queue {
    /// How many units each suite takes, by index.
    units: Vec<usize>,
    /// Indexes of suites, sorted by cost. The most expensive one is last.
    waiting: Vec<usize>,
    running: usize,
    free: usize,
}

impl Queue {
    pub(super) fn new(titles: &[&str], cores: usize) -> Self {
        let all = (cores * UNITS_PER_CORE).max(1);
        let costs: Vec<_> = titles.iter().map(|title| known(title)).collect();
        let units: Vec<_> = costs.iter().map(|cost| cost.units.min(all)).collect();
        let mut waiting: Vec<_> = (0..titles.len()).collect();
        waiting.sort_by_key(|index| units[*index] * costs[*index].seconds);
        Self {
            units,
            waiting,
            running: 0,
            free: all,
        }
    }

    /// Takes the suite that starts now: of those that fit, the most expensive one.
    pub(super) fn start_next(&mut self) -> Option<usize> {
        let fits = |index: &usize| self.units[*index] <= self.free;
        let place = self.waiting.iter().rposition(fits)?;
        let index = self.waiting.remove(place);
        self.free -= self.units[index];
        self.running += 1;
        Some(index)
    }

    /// Returns the units of a suite.
    pub(super) fn end(&mut self, index: usize) {
        self.free += self.units[index];
        self.running -= 1;
    }

    /// True if no suite waits or runs.
    pub(super) fn is_over(&self) -> bool {
        self.waiting.is_empty() && self.running == 0
    }
}

fn known(title: &str) -> Cost {
    let found = KNOWN.iter().find(|cost| cost.title == title);
    found.copied().unwrap_or(cost("", 1, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TITLES: [&str; 4] = ["agent lib", "e2e tokens", "e2e install", "e2e operator"];

    fn started(queue: &mut Queue) -> Vec<usize> {
        std::iter::from_fn(|| queue.start_next()).collect()
    }

    #[test]
    fn what_takes_the_most_starts_first_and_small_suites_fill_the_gaps() {
        let mut queue = Queue::new(&TITLES, 2);
        assert_eq!(started(&mut queue), [3, 1]);
        queue.end(1);
        assert_eq!(started(&mut queue), [0]);
        queue.end(0);
        assert_eq!(started(&mut queue), [] as [usize; 0]);
        queue.end(3);
        assert_eq!(started(&mut queue), [2]);
        assert!(!queue.is_over());
        queue.end(2);
        assert!(queue.is_over());
    }

    #[test]
    fn a_suite_that_takes_more_than_the_machine_has_runs_alone() {
        let mut queue = Queue::new(&TITLES, 1);
        assert_eq!(started(&mut queue), [3]);
        queue.end(3);
        assert_eq!(started(&mut queue), [1, 0]);
        for index in [1, 0] {
            queue.end(index);
        }
        assert_eq!(started(&mut queue), [2]);
    }

    /// How long all known suites take, according to the table.
    fn makespan(cores: usize) -> usize {
        let titles = KNOWN.map(|cost| cost.title);
        let mut queue = Queue::new(&titles, cores);
        let mut running = Vec::new();
        let mut clock = 0;
        while !queue.is_over() {
            running.extend(
                started(&mut queue)
                    .iter()
                    .map(|i| (clock + KNOWN[*i].seconds, *i)),
            );
            running.sort_unstable();
            let (ends, index) = running.remove(0);
            clock = ends;
            queue.end(index);
        }
        clock
    }

    #[test]
    fn the_order_wastes_little_of_two_cores() {
        let work: usize = KNOWN.iter().map(|cost| cost.units * cost.seconds).sum();
        let best = work.div_ceil(2 * UNITS_PER_CORE);
        let taken = makespan(2);
        assert!(taken * 10 <= best * 11, "{taken} s instead of {best} s");
        // With cores enough, nothing waits.
        let longest = KNOWN.iter().map(|cost| cost.seconds).max();
        assert_eq!(Some(makespan(64)), longest);
    }
}
