//! Any bytes as what a checkpoint and criu say: `descriptors.json`, answers, the log.

use prost::Message;
use runt::criu::wire::Response;
use runt::criu::{errors_in_log, parse_descriptors};

use crate::text_of;

const STREAMS: usize = 3;
const SHOWN_LINES: usize = 12;

pub(crate) fn run(bytes: &[u8]) {
    if let Ok(streams) = parse_descriptors(bytes) {
        assert!(streams.len() <= STREAMS);
        let written = serde_json::to_vec(&streams).expect("texts can be written");
        assert_eq!(parse_descriptors(&written).expect("accepted before"), streams);
    }
    if let Ok(response) = Response::decode(bytes) {
        let again = Response::decode(response.encode_to_vec().as_slice());
        assert_eq!(again.as_ref(), Ok(&response));
    }
    let lines = errors_in_log(text_of(bytes));
    assert!(lines.len() <= SHOWN_LINES);
    assert!(lines.iter().all(|line| line.contains("Error")));
}
