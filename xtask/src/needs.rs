//! What a command needs on the machine. What is missing is installed if possible, and otherwise
//! reported.

mod bring;
mod means;
mod need;
mod plan;

use means::Means;
pub(crate) use means::cargo_deny;
pub(crate) use need::{CLIPPY, DENY, GO, IMAGES, NAMESPACES, NODE, Need, RUSTFMT};
use plan::Plan;

use crate::terminal::tell;

/// Whether a part of the work may be skipped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Skips {
    /// A part is skipped if the machine lacks what it needs.
    Allowed,
    /// Nothing may be missing.
    Forbidden,
}

/// Installs what is missing, and returns what is skipped because something could not be installed.
/// Fails if nothing works without it.
pub(crate) fn meet(needs: &[Need], skips: Skips) -> anyhow::Result<Vec<String>> {
    let missing = absent(needs);
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let plan = Plan::new(&missing, Means::find());
    for action in &plan.0 {
        tell(&format!("installing {action}"))?;
        // The check below shows whether it helped.
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
