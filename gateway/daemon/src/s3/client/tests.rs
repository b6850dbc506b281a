//! Against a peer that answers what it is told to: each request is recorded as it came.

use std::sync::{Arc, Mutex};

use gatehouse_config::Config;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::s3::Ended;

/// Answers one request after the other, on as many connections as are made.
struct Peer {
    seen: Arc<Mutex<Vec<(usize, String)>>>,
    client: Client,
    folder: tempfile::TempDir,
    _task: JoinSet<()>,
}

/// What it answers: status and rest of the head, and the body; none: it ends the connection.
type Answers = Vec<Option<(String, String)>>;

#[expect(clippy::unnecessary_wraps, reason = "as it stands in a list of answers")]
fn answer(head: &str, body: &str) -> Option<(String, String)> {
    Some((head.to_owned(), body.to_owned()))
}

fn error(status: u16, code: &str) -> Option<(String, String)> {
    let body = format!("<Error><Code>{code}</Code><Message>m</Message></Error>");
    answer(&format!("{status} X"), &body)
}

async fn peer(answers: Answers, synchronised: bool) -> Peer {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "s3cr3t\n").unwrap();
    let mark = folder.path().join("mark");
    if synchronised {
        std::fs::write(&mark, "").unwrap();
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let text = format!(
        "[gateway]\nid = \"g\"\ndistrict = \"d\"\nsite = \"s\"\n\
         [[broker]]\nid = \"b\"\nhost = \"localhost\"\n\
         [evidence.store]\nendpoint = \"http://{}\"\nbucket = \"evidence\"\n\
         access-key = \"akey\"\nsecret-key-file = \"{}\"\n",
        listener.local_addr().unwrap(),
        secret.display()
    );
    let store = Config::parse(&text, "test").unwrap().evidence.store.unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut task = JoinSet::new();
    task.spawn(serve(listener, answers, Arc::clone(&seen)));
    let client = Client::new(store, Clock::with_mark(&mark));
    Peer { seen, client, folder, _task: task }
}

async fn serve(listener: TcpListener, answers: Answers, seen: Arc<Mutex<Vec<(usize, String)>>>) {
    let mut answers = answers.into_iter();
    let mut connection = 0;
    loop {
        let Ok((mut stream, _)) = listener.accept().await else { return };
        connection += 1;
        while let Some(request) = request(&mut stream).await {
            seen.lock().unwrap().push((connection, request));
            let Some(Some((head, body))) = answers.next() else { break };
            let length = body.len();
            let text = format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\n\r\n{body}");
            if stream.write_all(text.as_bytes()).await.is_err() {
                break;
            }
        }
    }
}

/// A request with its body.
async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return Some(text);
            }
        }
        let count = stream.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&buffer[..count]);
    }
}

impl Peer {
    fn seen(&self) -> Vec<(usize, String)> {
        self.seen.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn all_calls_of_an_upload_go_over_one_connection_each_signed_with_its_payload() {
    let made = "<InitiateMultipartUploadResult><UploadId>u+1</UploadId>\
                </InitiateMultipartUploadResult>";
    let listed = "<ListPartsResult><Part><PartNumber>1</PartNumber><Size>4</Size>\
                  <ETag>&quot;e1&quot;</ETag></Part></ListPartsResult>";
    let answers = vec![
        answer("200 OK", made),
        answer("200 OK\r\netag: \"e1\"", ""),
        answer("200 OK", listed),
        answer("200 OK", "<CompleteMultipartUploadResult/>"),
        answer("200 OK\r\nx-amz-meta-sha256: ab", ""),
        answer("204 No Content", ""),
    ];
    let mut peer = peer(answers, true).await;
    let client = &mut peer.client;
    let about =
        About { content_type: "video/mp4", meta: vec![("x-amz-meta-sha256", "ab".to_owned())] };
    let key = "g/gate/2026-11-30/a-gate-7.mp4";
    assert_eq!(client.create(key, &about).await.unwrap(), "u+1");
    let etag = client.part(key, "u+1", 1, Payload::text("four")).await.unwrap();
    assert_eq!(etag, "\"e1\"");
    assert_eq!(client.parts(key, "u+1").await.unwrap()[0].etag, etag);
    client.complete(key, "u+1", &[(1, etag)]).await.unwrap();
    let object = client.head(key).await.unwrap().unwrap();
    assert_eq!(object.sha256.as_deref(), Some("ab"));
    client.abort(key, "u+1").await.unwrap();
    let seen = peer.seen();
    assert!(seen.iter().all(|(connection, _)| *connection == 1), "{seen:?}");
    let lines: Vec<_> = seen.iter().map(|(_, text)| text.lines().next().unwrap()).collect();
    let path = format!("/evidence/{key}");
    let wanted = [
        format!("POST {path}?uploads= HTTP/1.1"),
        format!("PUT {path}?partNumber=1&uploadId=u%2B1 HTTP/1.1"),
        format!("GET {path}?max-parts=500&part-number-marker=0&uploadId=u%2B1 HTTP/1.1"),
        format!("POST {path}?uploadId=u%2B1 HTTP/1.1"),
        format!("HEAD {path} HTTP/1.1"),
        format!("DELETE {path}?uploadId=u%2B1 HTTP/1.1"),
    ];
    assert_eq!(lines, wanted);
    // SHA-256 of "four".
    let four = "04efaf080f5a3e74e1c29d1ca6a48569382cbbcd324e8d59d2b83ef21c039f00";
    assert!(seen[1].1.contains(&format!("x-amz-content-sha256: {four}")), "{}", seen[1].1);
    let signed =
        "SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;x-amz-meta-sha256,";
    assert!(seen[0].1.contains(signed), "{}", seen[0].1);
    assert!(seen[3].1.contains("<ETag>&quot;e1&quot;</ETag>"), "{}", seen[3].1);
    assert!(seen.iter().all(|(_, text)| !text.contains("s3cr3t")));
}

#[tokio::test]
async fn a_store_that_says_no_is_understood_and_the_connection_goes_on() {
    let answers = vec![
        error(403, "SignatureDoesNotMatch"),
        error(404, "NoSuchBucket"),
        answer("404 Not Found", ""),
        answer("200 OK", "<Error><Code>InternalError</Code></Error>"),
        error(404, "NoSuchUpload"),
        None,
    ];
    let mut peer = peer(answers, true).await;
    let about = About::default();
    let client = &mut peer.client;
    let mut put = async || client.put("k", &about, Payload::text("x")).await.unwrap_err();
    let denied = put().await;
    assert_eq!((denied.fault(), denied.has_status(403)), (Some(Fault::Denied), true));
    assert_eq!(put().await.fault(), Some(Fault::NoBucket));
    assert_eq!(peer.client.head("k").await.unwrap(), None);
    // It answered 200 before it knew.
    let late = peer.client.complete("k", "u", &[]).await.unwrap_err();
    assert!(late.is("InternalError"), "{late:?}");
    peer.client.abort("k", "u").await.unwrap();
    let cut = peer.client.put("k", &about, Payload::text("x")).await.unwrap_err();
    assert_eq!(cut.fault(), Some(Fault::Unreachable), "{cut:?}");
    assert!(peer.seen().iter().all(|(connection, _)| *connection == 1));
    // The next request has a connection of its own.
    drop(peer.client.put("k", &about, Payload::text("x")).await);
    assert_eq!(peer.seen().last().unwrap().0, 2);
}

#[tokio::test]
async fn a_box_without_a_clock_signs_with_the_stores_time_and_one_with_a_clock_tells_of_it() {
    let skewed = || {
        let (_, body) = error(403, "RequestTimeTooSkewed").unwrap();
        answer("403 Forbidden\r\ndate: Fri, 24 May 2013 00:00:00 GMT", &body)
    };
    let answers = || vec![skewed(), answer("200 OK", "")];
    let about = About::default();
    let mut without = peer(answers(), false).await;
    let client = &mut without.client;
    let refused = client.put("k", &about, Payload::text("x")).await.unwrap_err();
    assert_eq!(refused.fault(), Some(Fault::Clock));
    assert!(client.has_its_time() && !client.has_its_time());
    client.put("k", &about, Payload::text("x")).await.unwrap();
    let seen = without.seen();
    assert!(!seen[0].1.contains("x-amz-date: 20130524T"), "{}", seen[0].1);
    assert!(seen[1].1.contains("x-amz-date: 20130524T0000"), "{}", seen[1].1);
    let mut with = peer(answers(), true).await;
    let refused = with.client.put("k", &about, Payload::text("x")).await.unwrap_err();
    assert_eq!(refused.fault(), Some(Fault::Clock));
    assert!(refused.advice().contains("behind this box's"), "{}", refused.advice());
    assert!(!with.client.has_its_time());
    with.client.put("k", &about, Payload::text("x")).await.unwrap();
    assert!(!with.seen()[1].1.contains("x-amz-date: 2013"));
}

#[tokio::test]
async fn a_payload_that_breaks_off_says_itself_why_and_is_not_half_an_object() {
    let mut peer = peer(vec![answer("200 OK", "")], true).await;
    let (_beat, pulse) = tokio::sync::watch::channel(0);
    let ended = Ended::default();
    let why = ended.clone();
    let stream = futures_util::stream::once(async move {
        why.put(S3Error::GaveWay);
        Err(io::Error::other("it broke off"))
    });
    let payload = Payload::stream(Box::pin(stream), (4, "ab".to_owned()), pulse, ended);
    let error = peer.client.put("k", &About::default(), payload).await.unwrap_err();
    assert!(matches!(error, S3Error::GaveWay), "{error:?}");
    assert_eq!(peer.seen(), []);
}

#[tokio::test]
async fn what_answers_without_http_or_not_at_all_is_no_store() {
    let mut peer = peer(Vec::new(), true).await;
    // The port is taken by something else.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    peer.client.store.endpoint.port = listener.local_addr().unwrap().port();
    let mut other = JoinSet::new();
    other.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"220 mail.example ESMTP\r\n").await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    });
    let put = peer.client.put("k", &About::default(), Payload::text("x")).await;
    assert_eq!(put.unwrap_err().fault(), Some(Fault::Refused));
    // Nobody is there.
    other.shutdown().await;
    peer.client.store.endpoint.port = 9;
    let put = peer.client.put("k", &About::default(), Payload::text("x")).await.unwrap_err();
    assert_eq!(put.fault(), Some(Fault::Unreachable));
    let advice = put.advice();
    assert!(advice.contains("cannot reach 127.0.0.1:9") && !advice.contains("broker"), "{advice}");
    // The secret is read for each request.
    std::fs::remove_file(peer.folder.path().join("secret")).unwrap();
    let put = peer.client.put("k", &About::default(), Payload::text("x")).await.unwrap_err();
    assert_eq!(put.fault(), Some(Fault::Secret));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_silent_is_left() {
    let mut peer = peer(Vec::new(), true).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    peer.client.store.endpoint.port = listener.local_addr().unwrap().port();
    // Accepted by the kernel, answered by nobody.
    let put = peer.client.put("k", &About::default(), Payload::text("x")).await.unwrap_err();
    assert_eq!(put.fault(), Some(Fault::Unreachable));
    assert!(put.advice().contains("silent for 60 s"), "{}", put.advice());
    drop(listener);
}
