/* The ranks add up their numbers over the network; the first one tells the sum and who took part.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
  int rank, size, sum, length, at;
  char name[MPI_MAX_PROCESSOR_NAME] = "", *names;

  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  MPI_Get_processor_name(name, &length);
  MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  names = calloc(size, sizeof name);
  MPI_Gather(name, sizeof name, MPI_CHAR, names, sizeof name, MPI_CHAR, 0, MPI_COMM_WORLD);
  if (rank == 0) {
    printf("ranks 0-%d add up to %d, on", size - 1, sum);
    for (at = 0; at < size; at++)
      printf(" %s", names + at * sizeof name);
    printf("\n");
  }
  free(names);
  MPI_Finalize();
  return 0;
}
