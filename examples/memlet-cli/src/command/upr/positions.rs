//! How far a reader has come, in a file.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use memlet_core::connection::feed::DcpPosition;
use serde_json::Value;

use crate::failure::Failure;
use crate::output;

/// The position in each vbucket.
///
/// The file is one JSON object, a member for each vbucket:
/// `{"3": {"uuid": 12, "seqno": 7, "snapshot_start": 1, "snapshot_end": 9}}`.
pub(super) struct Positions(BTreeMap<u16, DcpPosition>);

impl Positions {
    pub(super) fn none() -> Self {
        Self(BTreeMap::new())
    }

    /// Reads the file; without one all begins at the start.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let wrong =
            |what: &dyn std::fmt::Display| Failure::Usage(format!("{}: {what}", path.display()));
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::none()),
            Err(error) => return Err(wrong(&error)),
        };
        let object: BTreeMap<String, Value> =
            serde_json::from_slice::<serde_json::Map<String, Value>>(&text)
                .map_err(|error| wrong(&error))?
                .into_iter()
                .collect();
        let mut positions = BTreeMap::new();
        for (vbucket, position) in &object {
            let number = |name| {
                position
                    .get(name)
                    .and_then(Value::as_u64)
                    .ok_or_else(|| wrong(&format!("vbucket {vbucket} has no number {name:?}")))
            };
            let position = DcpPosition {
                vbucket_uuid: number("uuid")?,
                seqno: number("seqno")?,
                snapshot_start: number("snapshot_start")?,
                snapshot_end: number("snapshot_end")?,
            };
            let seqnos = position.snapshot_start..=position.snapshot_end;
            if !seqnos.contains(&position.seqno) {
                return Err(wrong(&format!("vbucket {vbucket} is not in its snapshot")));
            }
            let vbucket = vbucket
                .parse()
                .map_err(|_| wrong(&format!("{vbucket:?} is no vbucket")))?;
            positions.insert(vbucket, position);
        }
        Ok(Self(positions))
    }

    /// Writes the file anew; a file that is there stays as it is until the new one is whole.
    pub(super) fn write(&self, path: &Path) -> Result<(), Failure> {
        let object: serde_json::Map<String, Value> = self
            .0
            .iter()
            .map(|(vbucket, position)| {
                let members = output::object([
                    ("uuid", position.vbucket_uuid.into()),
                    ("seqno", position.seqno.into()),
                    ("snapshot_start", position.snapshot_start.into()),
                    ("snapshot_end", position.snapshot_end.into()),
                ]);
                (vbucket.to_string(), members.into())
            })
            .collect();
        let mut new = path.as_os_str().to_owned();
        new.push(".new");
        fs::write(&new, format!("{}\n", Value::from(object)))
            .and_then(|()| fs::rename(&new, path))
            .map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
    }

    pub(super) fn get(&self, vbucket: u16) -> Option<DcpPosition> {
        self.0.get(&vbucket).copied()
    }

    pub(super) fn set(&mut self, vbucket: u16, position: DcpPosition) {
        self.0.insert(vbucket, position);
    }
}
