//! GVariant text of annotations, and messages of D-Bus.

use runt::cgroup::systemd::{Message, Value};

pub(crate) fn run(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(value) = Value::parse(text)
    {
        // The shown text may be nested deeper, by the types it names.
        if let Ok(again) = Value::parse(&value.to_string()) {
            assert_eq!(again, value, "shown text reads back");
        }
        let message = Message { serial: 1, ..Message::call("d", "/p", "i.f", "M") };
        let message = message.with(vec![value]);
        if let Ok(bytes) = message.encode() {
            assert_eq!(Message::decode(&bytes), Ok(message), "what is sent reads back");
        }
    }
    let _ = Message::length(bytes);
    if let Ok(message) = Message::decode(bytes) {
        let _ = message.encode();
    }
}
