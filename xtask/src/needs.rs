//! What a command needs on the machine: looked for, brought if that is possible, and named if it is not.

mod bring;
mod means;
mod need;
mod plan;

use means::Means;
pub(crate) use means::cargo_deny;
pub(crate) use need::{CLIPPY, DENY, GO, IMAGES, NAMESPACES, NODE, Need, RUSTFMT};
use plan::Plan;

use crate::terminal::tell;

/// Whether a part of the work may be left out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Skips {
    /// It is left out if the machine cannot have what it needs.
    Allowed,
    /// Everything must be there.
    Forbidden,
}

/// Brings what is missing, and says what is left out because it could not be brought. Fails if it is
/// something that nothing goes without.
pub(crate) fn meet(needs: &[Need], skips: Skips) -> anyhow::Result<Vec<String>> {
    let missing = absent(needs);
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let plan = Plan::new(&missing, Means::find());
    for action in &plan.0 {
        tell(&format!("installing {action}"))?;
        // Whether it helped is seen below.
        if let Err(error) = action.run() {
            tell(&format!("{action} failed: {error:#}"))?;
        }
    }
    let (mut skipped, mut lacking) = (Vec::new(), Vec::new());
    for need in absent(needs) {
        match need.without {
            Some(loss) if skips == Skips::Allowed => {
                skipped.push(format!("skipped {loss}: {}", need.advice()));
            }
            _ => lacking.push(need.advice()),
        }
    }
    anyhow::ensure!(lacking.is_empty(), "{}", lacking.join("\n"));
    Ok(skipped)
}

fn absent(needs: &[Need]) -> Vec<&Need> {
    needs.iter().filter(|need| !(need.present)()).collect()
}
