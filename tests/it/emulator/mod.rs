//! The program against a local AWS endpoint: exit codes, messages, and what is really there afterwards.
//!
//! Constraint kept: the same tests run on MiniStack and on LocalStack (`CELLCTL_TEST_ENDPOINT`); where the emulators
//! differ, a test asserts what each of them does.

mod cells;
mod chaos;
mod failures;
mod files;
mod guards;
mod init;
mod interrupt;
mod kill;
mod large;
mod lock;
mod map;
mod move_output;
mod move_sealed;
mod move_trouble;
mod move_verify;
mod moves_back;
mod moves_data;
mod moves_fences;
mod moves_queues;
mod moves_store;
mod moves_streams;
mod moves_writes;
mod output;
mod plan;
mod rollout_documents;
mod rollout_marks;
mod rollout_output;
mod rollout_signals;
mod rollout_store;
mod spoilt;
mod tenant_limits;
mod tenant_output;
mod tenants;
mod writers;
