import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Scanner;
import org.apache.hudi.index.bucket.BucketIdentifier;

/** For each line on stdin, a record key in base64, what Hudi makes of it; "none" where it throws. args[0]: the index's fields. */
class BucketHash {
  public static void main(String[] args) {
    Scanner lines = new Scanner(System.in);
    StringBuilder out = new StringBuilder();
    while (lines.hasNextLine()) {
      String key = new String(Base64.getDecoder().decode(lines.nextLine()), StandardCharsets.UTF_8);
      try {
        out.append(BucketIdentifier.getBucketId(key, args[0], Integer.MAX_VALUE)).append('\n');
      } catch (RuntimeException e) {
        out.append("none\n");
      }
    }
    System.out.print(out);
  }
}
