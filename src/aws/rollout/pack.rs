//! Packing a document: DEFLATE, as zlib frames it.
//!
//! Constraints kept: a large text is packed and unpacked bit by bit, so that whoever renews a lease beside it gets his turn;
//! what is unpacked never grows past what it is said to be.

use std::io::{Error, ErrorKind, Result, Write};

use flate2::Compression;
use flate2::write::{ZlibDecoder, ZlibEncoder};

/// Bytes that are packed at a time: a few milliseconds of work.
const SLICE: usize = 256 << 10;

/// Packs a text.
pub(super) async fn pack(text: &str) -> Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    for slice in text.as_bytes().chunks(SLICE) {
        encoder.write_all(slice)?;
        tokio::task::yield_now().await;
    }
    encoder.finish()
}

/// Unpacks what comes part by part.
pub(super) struct Unpacker(ZlibDecoder<Bounded>);

impl Unpacker {
    /// For a text of so many bytes.
    pub(super) fn new(bytes: usize) -> Self {
        Self(ZlibDecoder::new(Bounded { bytes: Vec::with_capacity(bytes), max: bytes }))
    }

    /// Takes the next part.
    pub(super) async fn push(&mut self, part: &[u8]) -> Result<()> {
        for slice in part.chunks(SLICE) {
            self.0.write_all(slice)?;
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// The text, once all parts were taken.
    pub(super) fn finish(self) -> Result<String> {
        let Bounded { bytes, .. } = self.0.finish()?;
        String::from_utf8(bytes).map_err(|error| Error::new(ErrorKind::InvalidData, error))
    }
}

/// Bytes up to a number.
struct Bounded {
    bytes: Vec<u8>,
    max: usize,
}

impl Write for Bounded {
    fn write(&mut self, more: &[u8]) -> Result<usize> {
        if self.bytes.len() + more.len() > self.max {
            return Err(Error::new(ErrorKind::InvalidData, format!("it has more than {} bytes", self.max)));
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: u32) -> String {
        (0..count).map(|number| number.to_string()).collect::<Vec<_>>().join(",")
    }

    async fn unpack(packed: &[u8], bytes: usize) -> Result<String> {
        let mut unpacker = Unpacker::new(bytes);
        for part in packed.chunks(100) {
            unpacker.push(part).await?;
        }
        unpacker.finish()
    }

    #[tokio::test]
    async fn a_text_comes_back_as_it_was() {
        for text in [String::new(), "ä".to_owned(), numbers(200_000)] {
            let packed = pack(&text).await.expect("packed");
            assert_eq!(unpack(&packed, text.len()).await.expect("unpacked"), text);
        }
    }

    #[tokio::test]
    async fn what_is_larger_than_it_is_said_to_be_is_not_unpacked() {
        let packed = pack(&"x".repeat(1_000_000)).await.expect("packed");
        let error = unpack(&packed, 999_999).await.expect_err("one byte too many");
        assert!(error.to_string().contains("more than 999999 bytes"), "{error}");
    }

    #[tokio::test]
    async fn what_was_cut_off_or_changed_is_not_unpacked() {
        let text = numbers(20_000);
        let packed = pack(&text).await.expect("packed");
        let cut = unpack(&packed[..packed.len() - 200], text.len()).await;
        assert!(cut.is_err() || cut.is_ok_and(|cut| cut != text), "a part of it is not the whole");
        let mut changed = packed.clone();
        changed[packed.len() / 2] ^= 1;
        let changed = unpack(&changed, text.len()).await;
        assert!(changed.is_err() || changed.is_ok_and(|changed| changed != text));
    }
}
