"""The formats of a transparency log: Merkle tree, signed notes, checkpoints, proofs. Pure: no disk, no network, no clock."""
