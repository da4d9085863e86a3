"""Decontaminate: embeddings, a FAISS index of benchmark problems, overlap signals, a verdict per pair."""
