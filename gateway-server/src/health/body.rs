//! Reads the body of a report: bounded in bytes and in time.

use bytes::Bytes;
use http_body::Body;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::time::timeout;

use super::error::{EditError, LARGEST, PATIENCE};

/// The whole body.
pub(crate) async fn read<B>(body: B) -> Result<Bytes, EditError>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    let collected = timeout(PATIENCE, Limited::new(body, LARGEST).collect()).await;
    match collected {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(EditError::TooLarge),
        Ok(Err(_)) => Err(EditError::Incomplete),
        Err(_) => Err(EditError::Slow),
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{Full, StreamBody, combinators::BoxBody};
    use std::convert::Infallible;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_is_bounded_in_bytes_and_in_time() {
        let full = |length| Full::new(Bytes::from(vec![b' '; length]));
        assert_eq!(read(full(LARGEST)).await.unwrap().len(), LARGEST);
        let refused = read(full(LARGEST + 1)).await;
        assert_eq!(refused, Err(EditError::TooLarge));
        let never = StreamBody::new(futures::stream::pending());
        let never: BoxBody<Bytes, Infallible> = BoxBody::new(never);
        assert_eq!(read(never).await, Err(EditError::Slow));
    }
}
