//! Durations in the format of Go: `24h`, `1h30m`, `1.5h`. The parser of kube panics on numbers that
//! are too large, and these values come from users.

use std::time::Duration;

const NANOS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Parses a duration that is not negative and fits 64 bits of nanoseconds, as in Go (292 years).
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut total: u64 = 0;
    loop {
        let (whole, after) = digits(rest);
        let (fraction, after) = after.strip_prefix('.').map_or(("", after), digits);
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let end = after.find(|c: char| c == '.' || c.is_ascii_digit());
        let (unit, after) = after.split_at(end.unwrap_or(after.len()));
        let (_, nanos) = NANOS.into_iter().find(|(name, _)| *name == unit)?;
        let whole: u64 = if whole.is_empty() {
            0
        } else {
            whole.parse().ok()?
        };
        let part = whole
            .checked_mul(nanos)?
            .checked_add(part_of(nanos, fraction))?;
        total = total.checked_add(part)?;
        rest = after;
        if rest.is_empty() {
            return i64::try_from(total)
                .ok()
                .map(|_| Duration::from_nanos(total));
        }
    }
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit());
    text.split_at(end.unwrap_or(text.len()))
}

/// The value of `0.<fraction>` in a unit, rounded down.
fn part_of(unit: u64, fraction: &str) -> u64 {
    // Further digits are below one nanosecond.
    let fraction = &fraction[..fraction.len().min(15)];
    let (digits, scale) = fraction.bytes().fold((0, 1), |(digits, scale), digit| {
        (digits * 10 + u128::from(digit - b'0'), scale * 10)
    });
    // The result is less than the unit, because the fraction is less than one.
    u64::try_from(u128::from(unit) * digits / scale).unwrap_or(unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_go_reads() {
        for (text, millis) in [
            ("0", 0),
            ("24h", 86_400_000),
            ("8640h0m0s", 31_104_000_000),
            ("1h30m", 5_400_000),
            ("1.5h", 5_400_000),
            ("+10m", 600_000),
            (".5s", 500),
            ("1.s", 1_000),
            ("600000ms", 600_000),
            ("1000us", 1),
            ("1000\u{b5}s", 1),
            ("1000000ns", 1),
            ("0.1234567890123456789s", 123),
        ] {
            let read = parse(text).map(|duration| duration.as_millis());
            assert_eq!(read, Some(millis), "{text}");
        }
    }

    #[test]
    fn refuses_what_go_refuses() {
        for text in [
            "",
            "+",
            "-1h",
            "1",
            "h",
            ".",
            ".h",
            "banana",
            "1d",
            "1h30",
            "1 h",
            "1h 30m",
            "1e3s",
            "1h-2m",
            "99999999999999999999h",
            "9999999h",
            "2562048h",
            "++1h",
            "nan",
            "inf",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC*|[0-9.hmsun+-]{0,24}") {
            let _ = parse(&text);
        }

        #[test]
        fn parts_add_up(hours in 0_u64..10_000, minutes in 0_u64..1_000, seconds in 0_u64..100_000) {
            let text = format!("{hours}h{minutes}m{seconds}s");
            let total = Duration::from_secs(hours * 3600 + minutes * 60 + seconds);
            prop_assert_eq!(parse(&text), Some(total));
        }
    }
}
