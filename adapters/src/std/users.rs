//! Users and their passwords, from a file.

use std::path::{Path, PathBuf};
use std::{error, fmt, fs, io};

use memlet_core::engine::{Credentials, verify_among};

/// Users and their passwords.
///
/// The text has a line `user:password` for each. The password is everything after the first colon. Empty lines and
/// lines that start with `#` do not count.
#[derive(Clone)]
pub struct Users(Vec<User>);

#[derive(Clone)]
struct User {
    name: Box<[u8]>,
    password: Box<[u8]>,
}

/// A file of users cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum UsersError {
    /// It cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A line is not `user:password`.
    Line {
        /// Its number, from 1.
        number: usize,
    },
    /// There is no user in it.
    Empty,
}

impl fmt::Display for UsersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UsersError::Unreadable { error, .. } => write!(f, "it cannot be read: {error}"),
            UsersError::Line { number } => {
                write!(
                    f,
                    "line {number} is not of the form user:password, with neither part empty"
                )
            }
            UsersError::Empty => {
                f.write_str("there is no user in it; a line has the form user:password")
            }
        }
    }
}

impl error::Error for UsersError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            UsersError::Unreadable { error, .. } => Some(error),
            UsersError::Line { .. } | UsersError::Empty => None,
        }
    }
}

impl Users {
    /// Reads a file of users.
    ///
    /// # Errors
    /// [`UsersError`] says what is wrong with it.
    pub fn read(path: &Path) -> Result<Users, UsersError> {
        let text = fs::read(path).map_err(|error| UsersError::Unreadable {
            path: path.to_owned(),
            error,
        })?;
        Users::parse(&text)
    }

    /// Takes users from the text of a file.
    ///
    /// # Errors
    /// [`UsersError`] names the line.
    pub fn parse(text: &[u8]) -> Result<Users, UsersError> {
        let mut users = Vec::new();
        for (at, line) in text.split(|&byte| byte == b'\n').enumerate() {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() || line[0] == b'#' {
                continue;
            }
            let mut parts = line.splitn(2, |&byte| byte == b':');
            match (parts.next(), parts.next()) {
                (Some(name @ [_, ..]), Some(password @ [_, ..])) => users.push(User {
                    name: name.into(),
                    password: password.into(),
                }),
                _ => return Err(UsersError::Line { number: at + 1 }),
            }
        }
        if users.is_empty() {
            Err(UsersError::Empty)
        } else {
            Ok(Users(users))
        }
    }

    /// How many users there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

impl Credentials for Users {
    fn verify(&self, user: &[u8], password: &[u8]) -> bool {
        verify_among(
            self.0.iter().map(|user| (&*user.name, &*user.password)),
            user,
            password,
        )
    }
}

// Passwords must not reach a log by way of a derived form.
impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Users({})", self.count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_users() {
        let users = Users::parse(b"# the first\nalice:secret\r\n\nbob:with:colon\n").unwrap();
        assert_eq!(users.count(), 2);
        assert!(users.verify(b"alice", b"secret"));
        assert!(users.verify(b"bob", b"with:colon"));
        assert!(!users.verify(b"alice", b"with:colon"));
        assert!(!users.verify(b"carol", b"secret"));
    }

    #[test]
    fn faults_are_named() {
        assert!(matches!(
            Users::parse(b"# nobody\n\n"),
            Err(UsersError::Empty)
        ));
        for line in ["alice", ":secret", "alice:"] {
            let error = Users::parse(format!("bob:hidden\n{line}\n").as_bytes()).unwrap_err();
            assert!(matches!(error, UsersError::Line { number: 2 }), "{line}");
        }
        let error = Users::read(Path::new("/nowhere/users")).unwrap_err();
        assert!(error.to_string().starts_with("it cannot be read: "));
    }

    #[test]
    fn passwords_are_not_shown() {
        assert_eq!(
            format!("{:?}", Users::parse(b"alice:secret").unwrap()),
            "Users(1)"
        );
    }
}
