/**
 * Gives the free pages of glibc's heap back to the system (malloc_trim(3)): by itself it gives back those at its end
 * alone. Without glibc, or on a Node that has no `node:ffi`, the memory stays as it is.
 */
export async function trimHeap(): Promise<void> {
  try {
    const { dlopen } = await import('node:ffi');
    const { lib, functions } = dlopen(null, { malloc_trim: { arguments: ['u64'], return: 'i32' } });
    functions.malloc_trim(0n);
    lib.close();
  } catch {
    // Nothing depends on it.
  }
}
