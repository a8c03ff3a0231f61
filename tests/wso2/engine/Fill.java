import com.hubspot.jinjava.Jinjava;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/** Fills a template by Jinjava, as API Manager does: Fill TEMPLATE NAME=VALUE... */
public final class Fill {
    public static void main(String[] arguments) throws Exception {
        Map<String, Object> parameters = new HashMap<>();
        for (int i = 1; i < arguments.length; i++) {
            String[] pair = arguments[i].split("=", 2);
            parameters.put(pair[0], pair[1]);
        }
        System.out.print(new Jinjava().render(Files.readString(Path.of(arguments[0])), parameters));
    }
}
