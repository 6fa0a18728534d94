//! The agent's end of the hello's body.

use std::future::pending;

use h2::RecvStream;

use super::Lines;

/// Hears what the gateway says.
#[derive(Debug)]
pub(crate) struct Listener {
    /// `None` once the connection broke, which is reported elsewhere.
    body: Option<RecvStream>,
    lines: Lines,
}

/// What the gateway says.
#[derive(Debug)]
pub(crate) enum Heard {
    /// There are this many replicas now.
    Replicas(u16),
    /// It drains: it ended the body or reset it.
    Drain,
}

impl Listener {
    pub(crate) fn new(body: RecvStream) -> Self {
        Self {
            body: Some(body),
            lines: Lines::default(),
        }
    }

    /// Waits for what the gateway says next. Nothing is lost if the future is dropped.
    pub(crate) async fn hear(&mut self) -> Heard {
        while let Some(body) = &mut self.body {
            let Some(data) = body.data().await else {
                return Heard::Drain;
            };
            let taken = data.and_then(|data| {
                body.flow_control().release_capacity(data.len())?;
                Ok(self.lines.take(&data))
            });
            match taken {
                Ok(Some(number)) => return Heard::Replicas(number),
                Ok(None) => {}
                Err(error) if error.is_reset() => return Heard::Drain,
                Err(_) => self.body = None,
            }
        }
        pending().await
    }
}
