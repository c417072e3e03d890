//! The thread that writes the ledger's lines and makes them durable, several at a time.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::mpsc;

use tokio::sync::oneshot;

use super::entry::Entry;

/// A line on its way to the disk.
struct Line {
    text: Vec<u8>,
    done: oneshot::Sender<()>,
}

/// The sending side.
pub(super) struct Writer(mpsc::Sender<Line>);

impl Writer {
    /// Opens the file for appending. A cut-off last line is removed first.
    pub(super) fn open(path: &Path) -> std::io::Result<Self> {
        let file = File::options().append(true).create(true).open(path)?;
        let text = std::fs::read(path)?;
        let whole = text
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        file.set_len(u64::try_from(whole).unwrap_or(u64::MAX))?;
        let (sender, lines) = mpsc::channel();
        std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || write(file, &lines))?;
        Ok(Self(sender))
    }

    /// Queues a line. The receiver completes once the line is durable.
    pub(super) fn write(&self, entry: &Entry) -> oneshot::Receiver<()> {
        let mut text = serde_json::to_vec(entry).unwrap_or_default();
        text.push(b'\n');
        let (done, wait) = oneshot::channel();
        let _ = self.0.send(Line { text, done });
        wait
    }
}

/// Waits until lines are durable.
pub(super) async fn wait(written: Vec<oneshot::Receiver<()>>) {
    for written in written {
        if written.await.is_err() {
            // Without its ledger a stand-in answers nobody: what it cannot record did not happen.
            std::future::pending::<()>().await;
        }
    }
}

/// Writes the waiting lines, makes them durable, and only then reports them as written.
fn write(mut file: File, lines: &mpsc::Receiver<Line>) {
    while let Ok(first) = lines.recv() {
        let batch: Vec<Line> = std::iter::once(first).chain(lines.try_iter()).collect();
        let text: Vec<u8> = batch.iter().flat_map(|line| line.text.iter().copied()).collect();
        if file.write_all(&text).and_then(|()| file.sync_data()).is_err() {
            return;
        }
        for line in batch {
            let _ = line.done.send(());
        }
    }
}
