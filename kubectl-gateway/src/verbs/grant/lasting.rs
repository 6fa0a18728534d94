//! How long a grant lasts, as people say it: days may come first. The hub takes only hours and less.

const SYNTAX: &str = "write a duration such as 30m, 8h, 7d or 1d12h";

/// The duration as the hub takes it. What comes after the days is left to the hub.
pub(super) fn parse(text: &str) -> Result<String, &'static str> {
    let Some((days, rest)) = text.split_once('d') else {
        return Ok(text.to_owned());
    };
    let hours = days.parse::<u32>().ok().and_then(|it| it.checked_mul(24));
    let hours = hours.ok_or(SYNTAX)?;
    if rest.is_empty() {
        return Ok(format!("{hours}h"));
    }
    match rest.split_once('h') {
        Some((more, rest)) => {
            let more = more
                .parse::<u32>()
                .ok()
                .and_then(|it| it.checked_add(hours));
            Ok(format!("{}h{rest}", more.ok_or(SYNTAX)?))
        }
        None => Ok(format!("{hours}h{rest}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_hours() {
        for (said, taken) in [
            ("8h", "8h"),
            ("90m", "90m"),
            ("1d", "24h"),
            ("7d", "168h"),
            ("1d12h", "36h"),
            ("1d12h30m", "36h30m"),
            ("1d30m", "24h30m"),
            ("soon", "soon"),
        ] {
            assert_eq!(parse(said).as_deref(), Ok(taken));
        }
        for said in ["d", "1.5d", "-1d", "xd", "999999999d", "1d1.5h"] {
            assert_eq!(parse(said), Err(SYNTAX), "{said}");
        }
    }
}
