use futures::{StreamExt as _, stream};
use http::HeaderMap;
use http_body_util::{BodyExt as _, StreamBody};

use super::*;

type Sent = StreamBody<stream::Iter<std::vec::IntoIter<hyper::Result<Frame<Bytes>>>>>;

fn data(byte: u8, length: usize) -> Frame<Bytes> {
    Frame::data(vec![byte; length].into())
}

fn upload(frames: Vec<Frame<Bytes>>) -> Upload<Sent> {
    let frames: Vec<_> = frames.into_iter().map(Ok).collect();
    Upload::of(StreamBody::new(stream::iter(frames)))
}

/// Another attempt, if there can be one.
fn again(upload: &Upload<Sent>) -> Option<Reader<Sent>> {
    let can = upload.0.as_ref().unwrap().lock().rewind();
    can.then(|| upload.reader().unwrap())
}

async fn part(reader: &mut Reader<Sent>) -> Option<Bytes> {
    let frame = reader.frame().await?;
    Some(frame.unwrap().into_data().unwrap())
}

async fn all(reader: Reader<Sent>) -> Vec<u8> {
    reader.collect().await.unwrap().to_bytes().to_vec()
}

#[tokio::test]
async fn each_attempt_sends_the_whole_body() {
    let upload = upload(vec![data(1, 10), data(2, 10), data(3, 10)]);
    let whole = [vec![1; 10], vec![2; 10], vec![3; 10]].concat();
    let mut first = upload.reader().unwrap();
    assert_eq!(part(&mut first).await.unwrap(), vec![1; 10]);
    let mut second = again(&upload).unwrap();
    assert_eq!(part(&mut second).await.unwrap(), vec![1; 10]);
    assert_eq!(part(&mut second).await.unwrap(), vec![2; 10]);
    assert_eq!(all(again(&upload).unwrap()).await, whole);
    assert_eq!(all(again(&upload).unwrap()).await, whole);
}

#[tokio::test]
async fn an_attempt_that_is_over_reads_nothing_and_never_ends_well() {
    let upload = upload(vec![data(1, 10), data(2, 10)]);
    let mut first = upload.reader().unwrap();
    let second = again(&upload).unwrap();
    let error = first.frame().await.unwrap().unwrap_err();
    assert!(matches!(error, UploadError::Elsewhere), "{error}");
    assert_eq!(all(second).await.len(), 20);
}

#[tokio::test]
async fn what_is_large_is_sent_again_only_if_little_of_it_was_read() {
    let upload = upload(vec![data(1, MOST_KEPT - PART), data(2, 1), data(3, 1)]);
    let mut first = upload.reader().unwrap();
    part(&mut first).await.unwrap();
    let mut second = again(&upload).unwrap();
    part(&mut second).await.unwrap();
    part(&mut second).await.unwrap();
    assert!(upload.0.as_ref().unwrap().lock().kept.is_empty());
    assert!(again(&upload).is_none());
    assert_eq!(all(second).await, [3]);
}

#[tokio::test]
async fn many_small_parts_are_bounded_too() {
    let parts = MOST_KEPT / PART + 1;
    let upload = upload((0..parts).map(|_| data(0, 0)).collect());
    assert!(all(upload.reader().unwrap()).await.is_empty());
    assert!(again(&upload).is_none());
}

#[tokio::test]
async fn once_it_is_answered_nothing_is_kept_but_what_this_attempt_has_to_read() {
    let upload = upload(vec![data(1, 1), data(2, 1), data(3, 1), data(4, 1)]);
    let mut first = upload.reader().unwrap();
    for _ in 0..3 {
        part(&mut first).await.unwrap();
    }
    let mut second = again(&upload).unwrap();
    part(&mut second).await.unwrap();
    upload.settle();
    assert_eq!(upload.0.as_ref().unwrap().lock().kept.len(), 2);
    assert_eq!(all(second).await, [2, 3, 4]);
    assert!(upload.0.as_ref().unwrap().lock().kept.is_empty());
    assert!(again(&upload).is_none());
}

#[tokio::test]
async fn trailers_are_passed_on_and_not_kept() {
    let upload = upload(vec![data(1, 1), Frame::trailers(HeaderMap::new())]);
    let sent = upload.reader().unwrap().collect().await.unwrap();
    assert!(sent.trailers().is_some());
    assert!(again(&upload).is_none());
}

#[tokio::test(start_paused = true)]
async fn says_since_when_it_waits_for_the_caller() {
    let begin = Instant::now();
    let parts = stream::iter(0..2).then(|_| async {
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        Ok::<_, hyper::Error>(data(1, 1))
    });
    let upload = Upload::of(StreamBody::new(Box::pin(parts)));
    let progress = || upload.0.as_ref().unwrap().lock().progress;
    // Nobody reads yet.
    assert_eq!(progress().waits_since, None);
    let mut reader = upload.reader().unwrap();
    assert!(futures::poll!(reader.frame()).is_pending());
    assert_eq!(progress().waits_since, Some(begin));
    let _: Frame<Bytes> = reader.frame().await.unwrap().unwrap();
    let came = progress();
    assert_eq!(came.waits_since, None);
    assert_eq!(
        came.last_part.unwrap() - begin,
        std::time::Duration::from_secs(5)
    );
    assert!(futures::poll!(reader.frame()).is_pending());
    upload.0.as_ref().unwrap().lock().rewind();
    assert_eq!(progress().waits_since, None);
}

#[tokio::test]
async fn says_how_much_is_to_come() {
    let body = http_body_util::Full::new(Bytes::from_static(b"0123456789"));
    let upload = Upload::of(body.map_err(|never| -> hyper::Error { match never {} }));
    let mut reader: Reader<_> = upload.reader().unwrap();
    assert_eq!(reader.size_hint().exact(), Some(10));
    let frame: Result<_, UploadError> = reader.frame().await.unwrap();
    assert_eq!(frame.unwrap().into_data().unwrap().len(), 10);
    assert!(reader.is_end_stream());
    upload.0.as_ref().unwrap().lock().rewind();
    let again = upload.reader().unwrap();
    assert!(!again.is_end_stream());
    assert_eq!(again.size_hint().exact(), Some(10));
}
